# A small stand-in for nixpkgs, made of this machine's own tools, for machines without internet:
# `--override-input nixpkgs path:./tests/offline-nixpkgs`. docs/delivery.md says what building with it
# proves and what it does not prove.
{
  description = "A stand-in for nixpkgs, made of this machine's own tools";
  outputs =
    { self }:
    {
      lib = import ./lib.nix;
      # Both systems can be evaluated; only this machine's can be built.
      legacyPackages = {
        x86_64-linux = import ./pkgs.nix "x86_64-linux";
        aarch64-linux = import ./pkgs.nix "aarch64-linux";
      };
    };
}

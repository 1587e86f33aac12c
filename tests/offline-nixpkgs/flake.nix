# A small stand-in for nixpkgs, made of this machine's own tools, for machines without internet:
# `--override-input nixpkgs path:./tests/offline-nixpkgs`. What that proves and what it does not is
# in docs/delivery.md.
{
  description = "A stand-in for nixpkgs, made of this machine's own tools";
  outputs =
    { self }:
    {
      lib = import ./lib.nix;
      # Another system than this machine's can be evaluated, and not built.
      legacyPackages = {
        x86_64-linux = import ./pkgs.nix "x86_64-linux";
        aarch64-linux = import ./pkgs.nix "aarch64-linux";
      };
    };
}

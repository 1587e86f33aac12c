# The image, the overlays and the pinned librdkafka, from one lock file.
{
  description = "Kafka to BigQuery, exactly once";

  # The revision is in flake.lock.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      # Uses builtins only, so that `nix eval .#lib.drift` does not fetch nixpkgs.
      each =
        f:
        builtins.listToAttrs (
          map
            (system: {
              name = system;
              value = f nixpkgs.legacyPackages.${system} self.packages.${system};
            })
            [
              "x86_64-linux"
              "aarch64-linux"
            ]
        );

      manifests = import ./nix/manifests { root = ./.; };

      # The image with contracts from elsewhere.
      imageWith =
        pkgs: packages:
        { contracts }:
        pkgs.callPackage ./nix/image.nix {
          package = packages.consumer;
          contracts = pkgs.callPackage ./nix/contracts.nix { inherit contracts; };
        };
    in
    {
      packages = each (
        pkgs: packages: {
          librdkafka = pkgs.callPackage ./nix/librdkafka { };
          default = pkgs.callPackage ./nix/package.nix { inherit (packages) librdkafka; };
          consumer = pkgs.callPackage ./nix/package.nix {
            inherit (packages) librdkafka;
            local = false;
          };
          contracts = pkgs.callPackage ./nix/contracts.nix { };
          image = imageWith pkgs packages { contracts = ./contracts; };
          sbom = pkgs.callPackage ./nix/sbom.nix {
            package = packages.consumer;
            inherit (packages) image;
          };
          kustomize = pkgs.callPackage ./nix/kustomize.nix { inherit (manifests) tree; };
        }
      );

      apps = each (
        pkgs: packages: {
          default = {
            type = "app";
            program = lib.getExe packages.default;
          };
          # Writes kustomize/ in the working directory.
          render = {
            type = "app";
            program = lib.getExe (pkgs.callPackage ./nix/render.nix { inherit (packages) kustomize; });
          };
        }
      );

      checks = each (
        pkgs: packages:
        # callPackage would add `override`, which is not a check.
        pkgs.callPackages ./nix/checks.nix {
          inherit (packages)
            librdkafka
            consumer
            default
            image
            sbom
            contracts
            ;
          rendered = packages.kustomize;
          inherit manifests;
          source = self;
        }
      );

      devShells = each (
        pkgs: packages: {
          default = pkgs.mkShell {
            inputsFrom = [ packages.default ];
            packages = [
              pkgs.clippy
              pkgs.rustfmt
              pkgs.kustomize
              pkgs.skopeo
            ];
          };
        }
      );

      formatter = each (pkgs: _: pkgs.nixfmt-tree);

      lib = {
        inherit (manifests)
          clusters
          tree
          drift
          signing
          ;
      }
      // each (
        pkgs: packages: {
          imageWith = imageWith pkgs packages;
        }
      );
    };
}

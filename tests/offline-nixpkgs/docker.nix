# dockerTools.streamLayeredImage: builds a script that writes a docker archive to its output. The image
# has a layer for each store path in the closure of `config` and `contents`, and a last layer with
# links to `contents` and the result of `extraCommands`.
{
  make,
  writeText,
  ...
}:
{
  streamLayeredImage =
    {
      name,
      tag ? null,
      contents ? [ ],
      config ? { },
      created ? "1970-01-01T00:00:01Z",
      mtime ? "1970-01-01T00:00:01Z",
      extraCommands ? "",
      maxLayers ? 100,
    }:
    let
      image = writeText "${name}-config.json" (
        builtins.toJSON {
          inherit
            name
            tag
            config
            created
            mtime
            maxLayers
            ;
          architecture = "amd64";
        }
      );
      last = make {
        name = "${name}-customisation-layer";
        inherit contents;
        buildCommand = ''
          mkdir -p root "$out"
          for each in $contents; do cp -rs --no-preserve=mode "$each/." root/; done
          (
            cd root
            ${extraCommands}
          )
          tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
            --format=gnu -cf "$out/layer.tar" -C root .
        '';
      };
    in
    assert tag != null || throw "the stand-in for nixpkgs needs a tag";
    make {
      name = "stream-${name}";
      # The last layer links to `contents`.
      exportReferencesGraph = [
        "config"
        image
        "contents"
        (writeText "contents" (toString contents))
      ];
      inherit image last;
      buildCommand = ''
        grep -h '^/nix/store/' config contents | grep -v '[.]drv$' | sort -u > paths
        {
          echo '#!/bin/bash'
          echo "exec /usr/bin/python3 ${./image.py} $image $last/layer.tar <<'END'"
          grep -v -e "^$image\$" -e '-contents$' paths
          echo END
        } > "$out"
        chmod +x "$out"
      '';
    };
}

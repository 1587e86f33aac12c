# `nix run .#render`: writes kustomize/ anew from nix/clusters and nix/manifests.
{
  writeShellApplication,
  coreutils,
  kustomize,
}:
writeShellApplication {
  name = "render";
  runtimeInputs = [ coreutils ];
  text = ''
    if [ ! -d nix/clusters ]; then
      echo "render: run it in the repository's root; there is no nix/clusters here" >&2
      exit 1
    fi
    new=$(mktemp -d kustomize.new.XXXXXX)
    for part in base components overlays argocd; do
      cp -r --no-preserve=mode "${kustomize}/$part" "$new/$part"
    done
    chmod 755 "$new"
    rm -rf kustomize
    mv "$new" kustomize
    echo "kustomize/ is written; commit it together with the changed data"
  '';
}

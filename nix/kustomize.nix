# The content of kustomize/ (base, components, overlays, argocd) and kustomize's output for each
# overlay (rendered/<overlay>.yaml).
{
  lib,
  runCommand,
  kustomize,
  tree,
}:
runCommand "kustomize"
  {
    nativeBuildInputs = [ kustomize ];
  }
  ''
    ${lib.concatStrings (
      lib.mapAttrsToList (path: text: ''
        install -Dm644 ${
          builtins.toFile (builtins.replaceStrings [ "/" "_" "." ] [ "-" "-" "-" ] "kustomize-${path}") text
        } "$out/${path}"
      '') tree
    )}
    mkdir "$out/rendered"
    for overlay in "$out"/overlays/* "$out/argocd"; do
      kustomize build "$overlay" > "$out/rendered/$(basename "$overlay").yaml"
    done
  ''

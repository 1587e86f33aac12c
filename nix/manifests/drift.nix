# How the committed kustomize/ differs from the files that it should have.
{ committedDir }:
let
  inherit (builtins)
    attrNames
    filter
    head
    listToAttrs
    map
    match
    pathExists
    readFile
    ;

  files = import ../files.nix;

  # Path -> whether it is a plain file.
  present = listToAttrs (
    map (
      { path, type }:
      {
        name = path;
        value = type == "regular";
      }
    ) (if pathExists committedDir then files committedDir else [ ])
  );
  # A link is never the file that it should be.
  equals = path: text: present.${path} && readFile (committedDir + "/${path}") == text;
in
{
  # The part of kustomize/ that a file belongs to: `base`, `overlays/gke-uat`.
  partOf =
    path:
    let
      parts = match "(overlays/[^/]*|[^/]*)/.*" path;
    in
    if parts == null then path else head parts;

  # The files that differ, among those that are wanted (path -> text) and those that `belongs` holds
  # for: { path, problem }.
  differences =
    belongs: wanted:
    let
      named =
        problem:
        map (path: {
          inherit path problem;
        });
      paths = attrNames wanted;
    in
    named "missing" (filter (path: !(present ? ${path})) paths)
    ++ named "differs" (filter (path: present ? ${path} && !(equals path wanted.${path})) paths)
    ++ named "left over" (filter (path: belongs path && !(wanted ? ${path})) (attrNames present));
}

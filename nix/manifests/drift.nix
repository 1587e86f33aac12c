# How the committed kustomize/ differs from the files that it should have.
{ committedDir }:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    head
    listToAttrs
    map
    match
    pathExists
    readDir
    readFile
    ;

  # Path -> whether it is a plain file.
  walk =
    dir: prefix:
    let
      entries = readDir dir;
    in
    concatMap (
      entry:
      if entries.${entry} == "directory" then
        walk (dir + "/${entry}") "${prefix}${entry}/"
      else
        [
          {
            name = "${prefix}${entry}";
            value = entries.${entry} == "regular";
          }
        ]
    ) (attrNames entries);
  present = listToAttrs (if pathExists committedDir then walk committedDir "" else [ ]);
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

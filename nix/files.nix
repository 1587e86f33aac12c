# All that a folder contains but folders, in the order of its path: { path, type }. It follows no links.
let
  inherit (builtins) attrNames concatMap readDir;
  below =
    dir: prefix:
    let
      entries = readDir dir;
    in
    concatMap (
      name:
      if entries.${name} == "directory" then
        below (dir + "/${name}") "${prefix}${name}/"
      else
        [
          {
            path = "${prefix}${name}";
            type = entries.${name};
          }
        ]
    ) (attrNames entries);
in
dir: below dir ""

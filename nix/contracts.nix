# The contracts as the image holds them: documents, without the samples beside them.
{
  lib,
  runCommand,
  contracts ? ../contracts,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    hashFile
    hashString
    readDir
    substring
    ;

  samples = name: name == "accept" || name == "reject";
  documents =
    dir: prefix:
    concatMap (
      name:
      if (readDir dir).${name} != "directory" then
        [ "${prefix}${name}" ]
      else if samples name then
        [ ]
      else
        documents (dir + "/${name}") "${prefix}${name}/"
    ) (attrNames (readDir dir));

  # One text for one set of documents, whatever samples change beside them.
  listing = lib.concatStrings (
    map (path: "${hashFile "sha256" (contracts + "/${path}")}  ${path}\n") (documents contracts "")
  );
in
runCommand "contracts"
  {
    src = lib.cleanSourceWith {
      name = "contracts-source";
      src = contracts;
      filter = path: type: !(type == "directory" && samples (baseNameOf path));
    };
    # Twelve digits: the image's label and a part of its tag.
    passthru.revision = substring 0 12 (hashString "sha256" listing);
  }
  ''
    cp -r --no-preserve=mode "$src" "$out"
    # Folders that held samples only.
    find "$out" -mindepth 1 -type d -empty -delete
  ''

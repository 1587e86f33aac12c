# The contracts as they are in the image: the documents without their samples.
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

  # The documents with their hashes. Samples are left out: changing one does not change the image.
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
    # The first twelve digits: a label of the image and a part of its tag.
    passthru.revision = substring 0 12 (hashString "sha256" listing);
  }
  ''
    cp -r --no-preserve=mode "$src" "$out"
    # Delete the folders that contained only samples.
    find "$out" -mindepth 1 -type d -empty -delete
  ''

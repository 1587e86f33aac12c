# The contracts as they are in the image: the documents without their samples.
{
  lib,
  runCommand,
  contracts ? ../contracts,
}:
let
  inherit (builtins)
    any
    concatStringsSep
    dirOf
    filter
    hashFile
    hashString
    isString
    readDir
    split
    storeDir
    substring
    unsafeDiscardStringContext
    ;

  files = import ./files.nix;

  # What is neither a file nor a folder, anywhere in the tree: a link may lead to any file of the
  # machine that builds the image, or out of the image.
  strange = map (
    { path, type }:
    "contracts/${path} is ${
      if type == "symlink" then "a symbolic link" else "neither a file nor a folder"
    }"
  ) (filter (file: file.type != "regular") (files contracts));
  # `readDir` follows a link that is the tree itself.
  isLink =
    let
      parent = dirOf contracts;
    in
    toString parent != storeDir
    &&
      (readDir parent).${baseNameOf (unsafeDiscardStringContext (toString contracts))} or null
      == "symlink";
  found = if isLink then [ "the folder itself is a symbolic link" ] else strange;
  tree =
    if found == [ ] then
      contracts
    else
      throw "contracts consist of plain files and folders only; replace each of these by what it leads to, or delete it:\n  ${concatStringsSep "\n  " found}";

  samples = name: name == "accept" || name == "reject";
  isSample = path: any samples (filter isString (split "/" (dirOf path)));
  documents = filter (path: !(isSample path)) (map (file: file.path) (files tree));

  # The documents with their hashes. Samples are left out: changing one does not change the image.
  listing = lib.concatStrings (
    map (path: "${hashFile "sha256" (tree + "/${path}")}  ${path}\n") documents
  );
in
runCommand "contracts"
  {
    src = lib.cleanSourceWith {
      name = "contracts-source";
      src = tree;
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

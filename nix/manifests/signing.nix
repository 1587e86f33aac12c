# What an image needs to be trusted: { keys, builder, repository, faults }. `keys` are the public keys,
# each { name, pem }, any of which may have signed it; without keys nothing is verified. `faults` are the
# sentences about what is wrong.
{ keysDir, provenance }:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    head
    map
    match
    pathExists
    readDir
    readFile
    ;
  text = import ./text.nix;

  entries = if pathExists keysDir then readDir keysDir else { };
  files = filter (file: file != "README.md") (attrNames entries);
  line = "[A-Za-z0-9+/=]{1,76}\n";
  # An EC key of 256 bits has two lines, an RSA key of 4096 bits has twelve.
  isPublic =
    pem: match "-----BEGIN PUBLIC KEY-----\n(${line}){1,16}-----END PUBLIC KEY-----\n" pem != null;
  fault =
    file:
    let
      at = "nix/keys/${text.showName file}";
    in
    if entries.${file} != "regular" then
      [ "${at} is no plain file: replace it by the public key itself." ]
    else if match "[a-z0-9]+(-[a-z0-9]+)*[.]pub" file == null then
      [
        "${at}: keys are named <name>.pub, in lower case with hyphens between words: rename or delete it."
      ]
    else if text.contains "PRIVATE KEY" (readFile (keysDir + "/${file}")) then
      [
        "${at} contains a private key: whoever reads this repository can sign with it. Delete it, make a new pair, and write the public key here."
      ]
    else if !(isPublic (readFile (keysDir + "/${file}"))) then
      [ "${at} is no public key in PEM: write what `cosign public-key` prints." ]
    else
      [ ];
  faults = concatMap fault files;
in
{
  inherit (provenance) builder repository;
  inherit faults;
  keys = map (file: {
    name = head (match "(.*)[.]pub" file);
    pem = readFile (keysDir + "/${file}");
  }) (if faults == [ ] then files else [ ]);
}

# What is wrong with setting a key in a file of a domain, an instance's or a transfer's: a part of a
# sentence, or null if nothing is.
let
  inherit (builtins)
    any
    concatMap
    elem
    match
    ;
  text = import ../text.nix;
  keys = import ../keys.nix;
  inherit (import ./shape.nix) list;

  inEnvironment = name: match "(consume|write)(__|[.]).*" (text.toLower name) != null;
  isOrBegins = name: base: name == base || text.hasPrefix "${base}_" name;
in
domain: name:
let
  upper = text.toUpper name;
  ours = concatMap (base: [
    base
    "${base}_${domain}"
  ]) keys.instance;
in
if elem name ours then
  null
else if inEnvironment name && text.isSecretName name then
  "which is a secret and belongs to the cluster: delete the line, and replace the secret if it was ever committed; secretEnv in cluster.nix names a Secret."
else if inEnvironment name || any (isOrBegins upper) keys.cluster then
  "which belongs to the cluster: delete the line; cluster.nix sets where a cluster reads and writes, with which credentials and variables."
else if elem upper ours then
  "which has to be in upper case: write ${upper}."
else if text.isSecretName name then
  "which looks like a secret: delete the line, and replace the secret if it was ever committed; secretEnv in cluster.nix names a Secret."
else if any (isOrBegins upper) keys.instance then
  "which is a key of another domain: end it in _${domain}, or move it to that domain's file."
else
  "which is not a key of an instance: the keys are ${list keys.instance}, alone or ending in _${domain}."

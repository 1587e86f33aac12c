# Validates release.json, which image runs: the mistakes, each a sentence.
let
  inherit (builtins)
    elem
    isAttrs
    isString
    map
    ;
  text = import ../text.nix;
  shape = import ./shape.nix;
  inherit (shape) list when;

  isDigest = text.matches "sha256:[0-9a-f]{64}";
  advice = "write \"sha256:\" and 64 hexadecimal digits, as `skopeo inspect` or the image job prints them.";
in
at: c:
let
  names = map (i: i.name) c.instances;
  known = "of ${c.name} (${list (map text.showName names)})";
  digest = value: when (!(isDigest value)) "${at}: `digest` is not an image digest: ${advice}";
  pin =
    name: value:
    when (!(elem name names))
      "${at} pins `${text.showName name}`, which is not an instance ${known}: remove the pin or correct the name."
    ++ when (
      !(isDigest value)
    ) "${at}: the pin of `${text.showName name}` is not an image digest: ${advice}";
  # A list of instances; `does` says in a sentence what the list does with one.
  instances =
    field: does:
    shape.items {
      example = "[ \"<instance>\" ], or remove it";
      of =
        _: name:
        when (!(elem name names))
          "${at} ${does "`${if isString name then text.showName name else text.typeName name}`"}, which is not an instance ${known}: remove it from `${field}` or correct the name.";
    };
in
shape.fields {
  checks = {
    digest = _: digest;
    pins = shape.map {
      example = "{ \"<instance>\": \"sha256:…\" }";
      of = name: _: pin name;
    };
    paused = instances "paused" (name: "pauses ${name}");
    arriving = instances "arriving" (name: "lets ${name} arrive");
  };
} at c.release
# A missing digest is no digest.
++ when (
  isAttrs c.release && !(c.release ? digest)
) "${at}: `digest` is not an image digest: ${advice}"

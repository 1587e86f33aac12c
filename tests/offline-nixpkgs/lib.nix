# The functions of nixpkgs' lib that the flake uses, with the same names and meanings.
rec {
  genAttrs =
    names: f:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = f name;
      }) names
    );
  mapAttrsToList = f: set: map (name: f name set.${name}) (builtins.attrNames set);
  concatStrings = builtins.concatStringsSep "";
  optionalString = condition: text: if condition then text else "";
  optionals = condition: list: if condition then list else [ ];
  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  removePrefix =
    prefix: text:
    if hasPrefix prefix text then
      builtins.substring (builtins.stringLength prefix) (builtins.stringLength text) text
    else
      text;
  escapeShellArg = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
  cleanSourceWith =
    {
      src,
      filter ? (_: _: true),
      name ? "source",
    }:
    builtins.path {
      path = src;
      inherit name filter;
    };
  getExe = package: "${package}/bin/${package.meta.mainProgram or package.pname}";
}

# Reads an instance's `.env`, in a smaller language than the program's: comments, and assignments on
# one line, of a value in quotes or of a word. What this file accepts the program reads alike; what
# only the program would read (values over several lines, variables in values) is a fault, so that no
# key can hide from mistakes/. Faults never contain the text, which may be a secret.
let
  inherit (builtins)
    elemAt
    filter
    genList
    head
    isString
    length
    match
    replaceStrings
    split
    stringLength
    substring
    ;
  text = import ./text.nix;

  # The beginning of a line, short enough for `match`.
  begin = substring 0 400;
  after = count: line: substring count (stringLength line) line;

  # In double quotes: each escape becomes a control character, which no line contains, then what it
  # stands for.
  escapes = [
    "\\\\"
    "\\\""
    "\\'"
    "\\$"
    "\\ "
    "\\n"
  ];
  meanings = [
    "\\"
    "\""
    "'"
    "$"
    " "
    "\n"
  ];
  places = map (code: text.character code) [
    "\\u0001"
    "\\u0002"
    "\\u0003"
    "\\u0004"
    "\\u0005"
    "\\u0006"
  ];

  fault = sentence: { fault = sentence; };
  notClosed = fault "a quote that is not closed on the same line: write the value on one line, in single quotes";

  # What may follow a value: nothing, or blanks and a comment. The program takes a quote in such a
  # comment for the beginning of a value over several lines.
  value =
    content: rest:
    let
      found = match "[ \t]+(#.*)?" (begin rest);
    in
    if rest != "" && (found == null || head found == null && stringLength rest > 400) then
      fault "text after the value: put values with spaces into single quotes"
    else if text.has "['\"\\\\]" rest then
      fault "a quote or a backslash in the comment after the value: put the comment on a line of its own"
    else
      { value = content; };

  quoted =
    quote: given:
    let
      content = head (split quote given);
    in
    if content == given then
      null
    else
      {
        inherit content;
        rest = after (stringLength content + 1) given;
      };

  single =
    given:
    let
      found = quoted "'" given;
    in
    if found == null then
      notClosed
    else if text.has "\\\\$" found.content then
      fault "a backslash before the closing quote, which would not close it: leave it out"
    else
      value found.content found.rest;

  double =
    given:
    let
      found = quoted "\"" (replaceStrings escapes places given);
      # Outside quotes the escapes stay as they were written.
      rest = replaceStrings places escapes found.rest;
    in
    if found == null then
      notClosed
    else if text.has "[$\\\\]" found.content then
      fault "a variable or an unknown escape in a value: put the value into single quotes"
    else
      value (replaceStrings places meanings found.content) rest;

  word =
    given:
    let
      content = head (split "[ \t]" given);
    in
    if text.has "[^!-~]|['\"$\\\\]" content then
      fault "a value with special characters: put it into single quotes"
    else
      value content (after (stringLength content) given);

  line =
    raw:
    let
      # Without the carriage return of a Windows line end.
      size = stringLength raw - 1;
      given = if size >= 0 && after size raw == "\r" then substring 0 size raw else raw;
      control = text.has "[[:cntrl:]]" (replaceStrings [ "\t" ] [ "" ] given);
      comment = match "[ \t]*(#.*)?" (begin given);
      assignment = match "([ \t]*(export[ \t]+)?([A-Za-z_][A-Za-z0-9_.]*)[ \t]*=([ \t]*)).*" (
        begin given
      );
      rest = after (stringLength (head assignment)) given;
      first = substring 0 1 rest;
    in
    if control then
      fault "a control character: remove it"
    else if given == "" || comment != null && (head comment != null || stringLength given <= 400) then
      null
    else if assignment == null then
      fault "text that is neither a comment nor an assignment: write KEY='value'"
    else
      {
        name = elemAt assignment 2;
      }
      // (
        if first == "#" && elemAt assignment 3 == "" then
          fault "a value that begins with `#`: put it into single quotes"
        else if first == "" || first == "#" then
          value "" (if first == "" then "" else " ${rest}")
        else if first == "'" then
          single (after 1 rest)
        else if first == "\"" then
          double (after 1 rest)
        else
          word rest
      );
in
content:
let
  lines = filter isString (split "\n" content);
  read = filter (found: found != null) (
    genList (
      index:
      let
        found = line (elemAt lines index);
      in
      if found == null then null else found // { line = index + 1; }
    ) (length lines)
  );
in
{
  # In the order of the file: { name, value, line }, or { line, fault }.
  assignments = filter (found: !(found ? fault)) read;
  faults = filter (found: found ? fault) read;
}

# Where Google's APIs are, by the choices of `googleApis` in cluster.nix: the addresses that
# restricted.googleapis.com and private.googleapis.com have (IPv4), and the published ranges of the
# default domains, which nix/google-ranges refreshes.
{
  restricted = [ "199.36.153.4/30" ];
  private = [ "199.36.153.8/30" ];
  public = (builtins.fromJSON (builtins.readFile ../google-ranges.json)).ranges;
}

# The Grafana dashboard for people on call: rows.nix as Grafana reads it. tests/grafana draws it with the
# numbers of a real Prometheus.
{ name, runbook, ... }@gitops:
let
  inherit (builtins)
    filter
    foldl'
    head
    length
    listToAttrs
    map
    ;
  alerts = import ../alerts gitops;
  text = import ../text.nix;
  # Grafana's own variables.
  datasource = {
    type = "prometheus";
    uid = "\${datasource}";
  };
  letters = [
    "A"
    "B"
    "C"
    "D"
    "E"
    "F"
  ];
  height = 8;

  panel =
    id: gridPos:
    {
      title,
      about,
      unit,
      queries,
      # The alerts that one sees here. The limit of the first that has one is drawn as a line, where the
      # panel shows what it is compared with.
      explains ? [ ],
      line ? true,
      stacked ? false,
    }:
    let
      limits =
        if line then
          map (alert: alerts.limits.${alert}) (filter (alert: alerts.limits ? ${alert}) explains)
        else
          [ ];
    in
    {
      inherit
        id
        gridPos
        title
        datasource
        ;
      type = "timeseries";
      description = about;
      links = map (alert: {
        title = "Runbook: ${alert}";
        url = "${runbook}#${text.toLower alert}";
        targetBlank = true;
      }) explains;
      targets = map (refId: {
        inherit refId datasource;
        inherit (builtins.elemAt queries (indexOf refId)) expr legendFormat;
      }) (builtins.genList (builtins.elemAt letters) (length queries));
      fieldConfig = {
        defaults = {
          inherit unit;
          min = 0;
          custom = {
            drawStyle = "line";
            fillOpacity = if stacked then 30 else 5;
            showPoints = "never";
            stacking.mode = if stacked then "normal" else "none";
            thresholdsStyle.mode = if limits == [ ] then "off" else "line";
          };
          thresholds = {
            mode = "absolute";
            steps = [
              {
                color = "green";
                value = null;
              }
            ]
            ++ map (value: {
              color = "red";
              inherit value;
            }) (if limits == [ ] then [ ] else [ (head limits) ]);
          };
        };
        overrides = [ ];
      };
      options = {
        legend = {
          displayMode = "list";
          placement = "bottom";
        };
        tooltip = {
          mode = "multi";
          sort = "desc";
        };
      };
    };
  indexOf =
    letter:
    (listToAttrs (
      builtins.genList (number: {
        name = builtins.elemAt letters number;
        value = number;
      }) (length letters)
    )).${letter};

  # Puts the rows below each other, and the panels of each row three in a line, or four.
  place =
    done:
    {
      title,
      panels,
      # Of what not every cluster has.
      folded ? false,
    }:
    let
      columns = if length panels == 4 then 4 else 3;
      width = 24 / columns;
      top = done.y + 1;
      first = done.id + 1;
      placed = builtins.genList (
        number:
        panel (first + number) {
          x = width * (number - (number / columns) * columns);
          y = top + height * (number / columns);
          w = width;
          h = height;
        } (builtins.elemAt panels number)
      ) (length panels);
      bottom = top + height * ((length panels + columns - 1) / columns);
      row = {
        inherit (done) id;
        type = "row";
        inherit title;
        collapsed = folded;
        gridPos = {
          x = 0;
          inherit (done) y;
          w = 24;
          h = 1;
        };
        panels = if folded then placed else [ ];
      };
    in
    {
      id = first + length panels;
      # A folded row takes one line; its panels keep the places that they have when it is opened.
      y = if folded then top else bottom;
      panels = done.panels ++ [ row ] ++ (if folded then [ ] else placed);
    };

  variable = name: label: query: {
    inherit name label datasource;
    type = "query";
    query = {
      inherit query;
      refId = name;
    };
    definition = query;
    refresh = 2;
    sort = 1;
  };
in
{
  uid = name;
  title = name;
  description = "What people on call look at: one row a question. Red lines are where alerts begin.";
  tags = [
    name
    "kafka"
  ];
  schemaVersion = 39;
  version = 1;
  editable = true;
  graphTooltip = 1;
  timezone = "browser";
  refresh = "30s";
  time = {
    from = "now-3h";
    to = "now";
  };
  links = [
    {
      title = "Runbook";
      type = "link";
      url = runbook;
      targetBlank = true;
    }
  ];
  templating.list = [
    {
      name = "datasource";
      label = "Prometheus";
      type = "datasource";
      query = "prometheus";
    }
    (variable "namespace" "Namespace" ''label_values(up{app_kubernetes_io_instance!=""}, namespace)'')
    (
      variable "instance" "Instance"
        ''label_values(up{namespace="$namespace"}, app_kubernetes_io_instance)''
      // {
        multi = true;
        includeAll = true;
        allValue = ".+";
        current = {
          text = "All";
          value = "$__all";
        };
      }
    )
  ];
  inherit
    (foldl' place {
      id = 1;
      y = 0;
      panels = [ ];
    } (import ./rows.nix { inherit name; }))
    panels
    ;
}

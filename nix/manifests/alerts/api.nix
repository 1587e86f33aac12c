# Alerts on event APIs, wherever their metrics are scraped with the labels of an instance.
{
  each,
  of,
  where,
  gained,
  share,
  quantile,
  ...
}:
let
  requests = of "api_requests_total";
  events = of "api_events_total";
in
{
  name = "generic-consumer-api";
  rules = [
    {
      alert = "GenericConsumerApiErrors";
      wait = "5m";
      severity = "critical";
      watched = share "5m" (where "api_requests_total" ''status=~"5.."'') requests;
      limit = 0.05;
      summary = "more than a twentieth of the event API's requests fails";
      description = "The broker does not acknowledge in time (503) or refuses (500). Callers have to send these events again.";
    }
    {
      alert = "GenericConsumerApiNotPublished";
      wait = "0m";
      watched = "sum ${each} (${gained (where "api_events_total" ''outcome=~"not_published|unknown"'')})";
      limit = 0;
      summary = "events were not published, or nobody knows whether they were";
      description = "Their callers were told so. Who sends an event again whose outcome is unknown may make a duplicate.";
    }
    {
      alert = "GenericConsumerApiRefused";
      wait = "15m";
      watched = share "15m" (where "api_events_total" ''outcome="refused"'') events;
      limit = 0.5;
      summary = "the contract refuses more than half of the events for 15 minutes";
      description = "A caller sends what the contract does not have, or the API runs the wrong contract. Nothing refused is on the topic.";
    }
    {
      alert = "GenericConsumerApiFull";
      wait = "5m";
      watched = share "5m" (where "api_requests_total" ''status="429"'') requests;
      limit = 0.05;
      summary = "more than a twentieth of the event API's requests is turned away (429)";
      description = "Requests that wait for the broker have used up IN_FLIGHT_BYTES: the broker is slow, or there are too few pods.";
    }
    {
      alert = "GenericConsumerApiSlow";
      wait = "10m";
      watched = quantile "0.99" "api_publish_seconds";
      limit = 2;
      summary = "the broker takes longer than two seconds for one request in a hundred";
      description = "Callers wait for the broker's acknowledgement, and get 503 after API_TIMEOUT_MS.";
    }
  ];
}

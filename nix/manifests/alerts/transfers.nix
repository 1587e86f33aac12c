# Alerts on transfers: by kube-state-metrics, because a run that never starts has no metrics of its own.
{ cronJobs, ... }:
let
  scheduled = cronJobs "status_last_schedule_time";
  active = cronJobs "status_active";
in
{
  name = "generic-consumer-transfers";
  label = "cronjob";
  rules = [
    # The last run has ended and has not succeeded, nor has one since. A run that takes too long ends
    # by its deadline.
    {
      alert = "GenericConsumerTransferFailed";
      wait = "5m";
      expr = "${scheduled} unless ${cronJobs "status_last_successful_time"} >= ${scheduled} unless ${active} > 0";
      summary = "the last run has failed; the log of its pod says why, and whether the target was changed";
      description = "The day that it was for is missing in the target, or is as it was before. Another run of the same day ends the same as a first one.";
    }
    # The time of the next run has passed: the controller is away, or a run takes longer than the
    # schedule leaves it. There is no such time where a transfer is suspended.
    {
      alert = "GenericConsumerTransferNotStarted";
      wait = "0m";
      watched = "time() - ${cronJobs "next_schedule_time"}";
      limit = 900;
      summary = "the run that was due a quarter of an hour ago has not begun";
      description = "The CronJob controller is away, the run before goes on, or Kubernetes cannot create the Job.";
    }
    # Its deadline, six hours by default, ends it.
    {
      alert = "GenericConsumerTransferSlow";
      wait = "0m";
      expr = "time() - ${scheduled} > 14400 and ${active} > 0";
      summary = "a run has been going on for four hours";
      description = "It waits for its source, for another run's lease, or for a job in BigQuery. Its deadline ends it, and the day is missing then.";
    }
  ];
}

"""The topics of the example."""

UPLOADS, RESULTS, DEAD_LETTERS = "platform.upload.ccx", "ccx.results", "ccx.results_dead_letters"
# What the pipeline tells the payload tracker.
STATUS = "platform.payload-status"
SETTINGS = {
    UPLOADS: {},
    # The latest report of each cluster is kept.
    RESULTS: {"cleanup.policy": "compact"},
    DEAD_LETTERS: {"max.message.bytes": str(2 << 20)},
    STATUS: {},
}

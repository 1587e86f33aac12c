"""What all tests of the deployment tools need."""

import signal

# A shell that starts a job in the background has it ignore Ctrl-C, and so would the programs here that are ended with it.
signal.signal(signal.SIGINT, signal.default_int_handler)

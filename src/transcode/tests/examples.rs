//! Every named input and its outcome: the table in docs/reference/outcomes.md names these tests.

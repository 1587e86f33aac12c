//go:build tools

// Package emulator pins the BigQuery emulator of the live tests; fetch.sh builds it.
package emulator

import _ "github.com/goccy/bigquery-emulator/cmd/bigquery-emulator"

//go:build tools

// Package tools pins the commands of Pebble, an ACME server for tests, that "lab build" compiles.
package tools

import (
	_ "github.com/letsencrypt/pebble/v2/cmd/pebble"
	_ "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv"
)

//go:build tools

// Package tools pins another tunnel, which `npm run bench -- --peers` builds and measures beside the gateway.
package tools

import _ "github.com/jpillora/chisel"

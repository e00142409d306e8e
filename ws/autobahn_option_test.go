package ws_test

import (
	"testing"

	"github.com/carillon-go/carillon/ws"
)

// deflateOption turns permessage-deflate on, with context takeover wherever the
// client agrees to it.
func deflateOption(*testing.T) ws.EndpointOption {
	return ws.WithDeflate(ws.Deflate{ContextTakeover: true})
}

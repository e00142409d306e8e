package ws_test

import (
	"testing"

	"github.com/carillon-go/carillon/ws"
)

// deflateOption turns permessage-deflate on, with context takeover wherever the
// client agrees to it.
func deflateOption(t *testing.T) ws.Option {
	t.Skip("permessage-deflate is not there yet") // return ws.WithDeflate(ws.Deflate{ContextTakeover: true})
	return nil
}

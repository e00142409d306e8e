package ws

import (
	"strings"
	"testing"
)

// agreement writes what was agreed on: takeover by a plus sign.
func agreement(send, receive string) deflateParams {
	read := func(s string) (d deflateDirection) {
		s, d.takeover = strings.CutSuffix(s, "+")
		d.bits = windowBits(s)
		return d
	}
	return deflateParams{read(send), read(receive)}
}

const (
	pmd       = "permessage-deflate"
	noServer  = "; server_no_context_takeover"
	noClient  = "; client_no_context_takeover"
	noContext = noServer + noClient
	chrome    = "permessage-deflate; client_max_window_bits"
	firefox   = "permessage-deflate"
	safari    = "permessage-deflate" // from 15; before it the next
	oldSafari = "x-webkit-deflate-frame"
)

func TestDeflateAccept(t *testing.T) {
	plain, keep := &Deflate{}, &Deflate{ContextTakeover: true}
	small := &Deflate{ContextTakeover: true, ServerWindowBits: 10, ClientWindowBits: 11}
	for name, tt := range map[string]struct {
		d        *Deflate
		offer    string // a line each
		response string // "" is declined
		want     deflateParams
	}{
		"nothing offered":        {keep, "", "", deflateParams{}},
		"another extension":      {keep, "foo; bar", "", deflateParams{}},
		"in another case":        {keep, "Permessage-Deflate", "", deflateParams{}},
		"old Safari":             {keep, oldSafari, "", deflateParams{}},
		"Chrome":                 {keep, chrome, pmd, agreement("15+", "15+")},
		"Chrome, no takeover":    {plain, chrome, pmd + noContext, agreement("15", "15")},
		"Chrome, small windows":  {small, chrome, pmd + "; server_max_window_bits=10; client_max_window_bits=11", agreement("10+", "11+")},
		"Firefox":                {keep, firefox, pmd, agreement("15+", "15+")},
		"Firefox, no takeover":   {plain, firefox, pmd + noContext, agreement("15", "15")},
		"Firefox, small windows": {small, firefox, pmd + noClient + "; server_max_window_bits=10", agreement("10+", "15")},
		"Safari":                 {plain, safari, pmd + noContext, agreement("15", "15")},
		"gorilla":                {keep, pmd + noContext, pmd + noContext, agreement("15", "15")},

		"7.1.1.1 no server takeover": {keep, pmd + noServer, pmd + noServer, agreement("15", "15+")},
		"7.1.1.1 with a value":       {keep, pmd + noServer + "=1", "", deflateParams{}},
		"7.1.1.1 twice":              {keep, pmd + noServer + noServer, "", deflateParams{}},
		"7.1.1.2 no client takeover": {keep, pmd + noClient, pmd + noClient, agreement("15+", "15")},
		"7.1.1.2 with a value":       {keep, pmd + noClient + "=true", "", deflateParams{}},
		"7.1.1.2 twice":              {keep, pmd + noClient + noClient, "", deflateParams{}},

		"7.1.2.1 10":              {keep, pmd + "; server_max_window_bits=10", pmd + "; server_max_window_bits=10", agreement("10+", "15+")},
		"7.1.2.1 8":               {keep, pmd + "; server_max_window_bits=8", pmd + "; server_max_window_bits=8", agreement("8+", "15+")},
		"7.1.2.1 15":              {keep, pmd + "; server_max_window_bits=15", pmd + "; server_max_window_bits=15", agreement("15+", "15+")},
		"7.1.2.1 above ours":      {small, pmd + "; server_max_window_bits=12", pmd + noClient + "; server_max_window_bits=10", agreement("10+", "15")},
		"7.1.2.1 below ours":      {small, pmd + "; server_max_window_bits=9", pmd + noClient + "; server_max_window_bits=9", agreement("9+", "15")},
		"7.1.2.1 quoted":          {keep, pmd + `; server_max_window_bits="10"`, pmd + "; server_max_window_bits=10", agreement("10+", "15+")},
		"7.1.2.1 without a value": {keep, pmd + "; server_max_window_bits", "", deflateParams{}},
		"7.1.2.1 7":               {keep, pmd + "; server_max_window_bits=7", "", deflateParams{}},
		"7.1.2.1 16":              {keep, pmd + "; server_max_window_bits=16", "", deflateParams{}},
		"7.1.2.1 0":               {keep, pmd + "; server_max_window_bits=0", "", deflateParams{}},
		"7.1.2.1 leading zero":    {keep, pmd + "; server_max_window_bits=09", "", deflateParams{}},
		"7.1.2.1 signed":          {keep, pmd + "; server_max_window_bits=+9", "", deflateParams{}},
		"7.1.2.1 a word":          {keep, pmd + "; server_max_window_bits=ten", "", deflateParams{}},
		"7.1.2.1 long":            {keep, pmd + "; server_max_window_bits=100000000000000000010", "", deflateParams{}},
		"7.1.2.1 twice":           {keep, pmd + "; server_max_window_bits=10; server_max_window_bits=10", "", deflateParams{}},

		"7.1.2.2 10 binds the client":  {keep, pmd + "; client_max_window_bits=10", pmd, agreement("15+", "10+")},
		"7.1.2.2 8":                    {keep, pmd + "; client_max_window_bits=8", pmd, agreement("15+", "8+")},
		"7.1.2.2 above ours":           {small, pmd + "; client_max_window_bits=12", pmd + "; server_max_window_bits=10; client_max_window_bits=11", agreement("10+", "11+")},
		"7.1.2.2 below ours":           {small, pmd + "; client_max_window_bits=8", pmd + "; server_max_window_bits=10; client_max_window_bits=8", agreement("10+", "8+")},
		"7.1.2.2 quoted":               {keep, pmd + `; client_max_window_bits="1\0"`, pmd, agreement("15+", "10+")},
		"7.1.2.2 empty":                {keep, pmd + `; client_max_window_bits=""`, "", deflateParams{}},
		"7.1.2.2 7":                    {keep, pmd + "; client_max_window_bits=7", "", deflateParams{}},
		"7.1.2.2 16":                   {keep, pmd + "; client_max_window_bits=16", "", deflateParams{}},
		"7.1.2.2 twice":                {keep, chrome + "; client_max_window_bits", "", deflateParams{}},
		"7.1.2.2 bare and with value":  {keep, chrome + "; client_max_window_bits=10", "", deflateParams{}},
		"all four":                     {keep, pmd + noContext + "; server_max_window_bits=9; client_max_window_bits=9", pmd + noContext + "; server_max_window_bits=9", agreement("9", "9")},
		"7.1 an unknown parameter":     {keep, pmd + "; foo=bar", "", deflateParams{}},
		"7.1 unknown among the known":  {keep, pmd + noServer + "; foo" + noClient, "", deflateParams{}},
		"7.1 the fallback":             {keep, pmd + "; server_max_window_bits=7, " + pmd, pmd, agreement("15+", "15+")},
		"7.1 the first that will do":   {keep, pmd + "; x, " + pmd + noServer + ", " + pmd, pmd + noServer, agreement("15", "15+")},
		"7.1 the fallback in a line":   {keep, pmd + "; x\nfoo\n" + pmd, pmd, agreement("15+", "15+")},
		"behind another extension":     {keep, "foo; bar, " + chrome, pmd, agreement("15+", "15+")},
		"malformed":                    {keep, pmd + ";", "", deflateParams{}},
		"malformed behind a good one":  {keep, pmd + ", ;", "", deflateParams{}},
		"malformed in another line":    {keep, pmd + "\n\"", "", deflateParams{}},
		"blanks and empty elements":    {keep, ", permessage-deflate ;\tclient_max_window_bits = 12,", pmd, agreement("15+", "12+")},
		"ours without takeover, small": {&Deflate{ServerWindowBits: 9, ClientWindowBits: 9}, chrome, pmd + noContext + "; server_max_window_bits=9; client_max_window_bits=9", agreement("9", "9")},
	} {
		p, response, ok := tt.d.accept(strings.Split(tt.offer, "\n"))
		if p != tt.want || response != tt.response || ok != (tt.response != "") {
			t.Errorf("%s: %+v, %q, %v; want %+v, %q", name, p, response, ok, tt.want, tt.response)
		}
	}
}

func TestDeflateOffer(t *testing.T) {
	for _, tt := range []struct {
		d    Deflate
		want string
	}{
		{Deflate{}, pmd + noContext + "; client_max_window_bits"},
		{Deflate{ContextTakeover: true}, chrome},
		{Deflate{ContextTakeover: true, ServerWindowBits: 15, ClientWindowBits: 15}, chrome},
		{Deflate{ContextTakeover: true, ClientWindowBits: 9}, pmd + "; client_max_window_bits=9"},
		{Deflate{ContextTakeover: true, ServerWindowBits: 9}, pmd + "; server_max_window_bits=9; client_max_window_bits, " + pmd + noServer + "; client_max_window_bits"},
		{Deflate{ServerWindowBits: 9}, pmd + noContext + "; server_max_window_bits=9; client_max_window_bits, " + pmd + noContext + "; client_max_window_bits"},
	} {
		if got := tt.d.offer(); got != tt.want {
			t.Errorf("%+v offers %q, want %q", tt.d, got, tt.want)
		}
	}
}

func TestDeflateAgreed(t *testing.T) {
	plain, keep := &Deflate{}, &Deflate{ContextTakeover: true}
	small := &Deflate{ContextTakeover: true, ServerWindowBits: 10, ClientWindowBits: 11}
	const failed, off = "failed", "off"
	for name, tt := range map[string]struct {
		d        *Deflate
		response string // a line each
		verdict  string // "" is agreed
		want     deflateParams
	}{
		"declined":                       {keep, "", off, deflateParams{}},
		"malformed":                      {keep, pmd + ";", failed, deflateParams{}},
		"another extension":              {keep, "foo", failed, deflateParams{}},
		"another one beside":             {keep, pmd + "\nfoo", failed, deflateParams{}},
		"twice":                          {keep, pmd + ", " + pmd, failed, deflateParams{}},
		"accepted":                       {keep, pmd, "", agreement("15+", "15+")},
		"gorilla":                        {plain, pmd + noContext, "", agreement("15", "15")},
		"gorilla, with takeover offered": {keep, pmd + noContext, "", agreement("15", "15")},
		"gorilla, with windows offered":  {small, pmd + noContext, "", agreement("11", "15")},
		"7.1 an unknown parameter":       {keep, pmd + "; foo", failed, deflateParams{}},
		"7.1.1.1 not met":                {plain, pmd + noClient, failed, deflateParams{}},
		"7.1.1.1 unasked":                {keep, pmd + noServer, "", agreement("15+", "15")},
		"7.1.1.1 with a value":           {keep, pmd + noServer + "=1", failed, deflateParams{}},
		"7.1.1.1 twice":                  {keep, pmd + noServer + noServer, failed, deflateParams{}},
		"7.1.1.2 unasked":                {keep, pmd + noClient, "", agreement("15", "15+")},
		"7.1.1.2 left out":               {plain, pmd + noServer, "", agreement("15", "15")},
		"7.1.1.2 with a value":           {keep, pmd + noClient + "=1", failed, deflateParams{}},
		"7.1.2.1 unasked":                {keep, pmd + "; server_max_window_bits=12", "", agreement("15+", "12+")},
		"7.1.2.1 as asked":               {small, pmd + "; server_max_window_bits=10", "", agreement("11+", "10+")},
		"7.1.2.1 smaller":                {small, pmd + "; server_max_window_bits=8", "", agreement("11+", "8+")},
		"7.1.2.1 greater":                {small, pmd + "; server_max_window_bits=11", failed, deflateParams{}},
		"7.1.2.1 left out":               {small, pmd, failed, deflateParams{}},
		"7.1.2.1 the fallback":           {small, pmd + noServer + "; server_max_window_bits=11", "", agreement("11+", "11")},
		"7.1.2.1 without a value":        {keep, pmd + "; server_max_window_bits", failed, deflateParams{}},
		"7.1.2.1 not valid":              {keep, pmd + "; server_max_window_bits=16", failed, deflateParams{}},
		"7.1.2.1 quoted":                 {keep, pmd + `; server_max_window_bits="9"`, "", agreement("15+", "9+")},
		"7.1.2.2 any, for a bare one":    {keep, pmd + "; client_max_window_bits=8", "", agreement("8+", "15+")},
		"7.1.2.2 greater":                {small, pmd + "; server_max_window_bits=10; client_max_window_bits=12", failed, deflateParams{}},
		"7.1.2.2 smaller":                {small, pmd + "; server_max_window_bits=10; client_max_window_bits=9", "", agreement("9+", "10+")},
		"7.1.2.2 without a value":        {keep, chrome, failed, deflateParams{}},
		"7.1.2.2 not valid":              {keep, pmd + "; client_max_window_bits=7", failed, deflateParams{}},
		"7.1.2.2 twice":                  {keep, pmd + "; client_max_window_bits=9; client_max_window_bits=9", failed, deflateParams{}},
	} {
		p, on, err := tt.d.agreed(strings.Split(tt.response, "\n"))
		if (err != nil) != (tt.verdict == failed) || on != (tt.verdict == "") || on && p != tt.want {
			t.Errorf("%s: %+v, %v, %v; want %+v %s", name, p, on, err, tt.want, tt.verdict)
		}
	}
}

// TestDeflateBothEnds: whatever two ends of ours are set to, they agree, and on
// the same.
func TestDeflateBothEnds(t *testing.T) {
	var all []*Deflate
	for _, takeover := range []bool{false, true} {
		for _, s := range []int{0, 9, 12, 15} {
			for _, c := range []int{0, 9, 12, 15} {
				all = append(all, &Deflate{ContextTakeover: takeover, ServerWindowBits: s, ClientWindowBits: c})
			}
		}
	}
	for _, client := range all {
		for _, server := range all {
			atServer, response, ok := server.accept([]string{client.offer()})
			if !ok {
				t.Fatalf("%+v declines %q", server, client.offer())
			}
			checkAccepted(t, atServer, response)
			atClient, on, err := client.agreed([]string{response})
			if !on || err != nil {
				t.Fatalf("%q is answered %q: %v", client.offer(), response, err)
			}
			if !covers(atServer.receive, atClient.send) || !covers(atClient.receive, atServer.send) {
				t.Errorf("%q, %q: %+v and %+v", client.offer(), response, atServer, atClient)
			}
		}
	}
}

// covers reports whether r can inflate what s compresses.
func covers(r, s deflateDirection) bool {
	return !s.takeover || r.takeover && r.bits >= s.bits
}

func TestDeflateValidate(t *testing.T) {
	for _, d := range []Deflate{
		{}, {Level: 1}, {Level: 9}, {Threshold: -1}, {Threshold: 1 << 20}, {ServerWindowBits: 9}, {ClientWindowBits: 15},
	} {
		if err := d.validate(); err != nil {
			t.Errorf("%+v: %v", d, err)
		}
	}
	for _, d := range []Deflate{
		{Level: -1}, {Level: 10}, {Threshold: -2}, {ServerWindowBits: 8}, {ServerWindowBits: 16},
		{ClientWindowBits: 8}, {ClientWindowBits: -1},
	} {
		if err := d.validate(); err == nil {
			t.Errorf("%+v is valid", d)
		}
	}
}

func TestDeflateThreshold(t *testing.T) {
	for _, tt := range []struct {
		d    Deflate
		n    int
		want bool
	}{
		{Deflate{}, defaultDeflateThreshold - 1, false},
		{Deflate{}, defaultDeflateThreshold, true},
		{Deflate{ContextTakeover: true}, defaultTakeoverThreshold - 1, false},
		{Deflate{ContextTakeover: true}, defaultTakeoverThreshold, true},
		{Deflate{Threshold: 10}, 9, false},
		{Deflate{Threshold: 10}, 10, true},
		{Deflate{Threshold: -1}, 0, true},
	} {
		if got := tt.d.worth(tt.n); got != tt.want {
			t.Errorf("%+v, %d bytes: %v", tt.d, tt.n, got)
		}
	}
}

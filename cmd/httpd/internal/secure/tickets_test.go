package secure

import (
	"testing"
	"time"
)

// A key seals for a day and opens for a week, also one that another process has made.
func TestTicketKeysRotate(t *testing.T) {
	ago := func(d time.Duration, n byte) ticketKey { return ticketKey{[32]byte{n}, time.Now().Add(-d)} }
	for _, tt := range []struct {
		name   string
		handed []ticketKey
		kept   []byte // the handed ones that are left
		fresh  bool   // a new one is in front
	}{
		{"none", nil, nil, true},
		{"of today", []ticketKey{ago(time.Hour, 1)}, []byte{1}, false},
		{"of yesterday", []ticketKey{ago(25*time.Hour, 1)}, []byte{1}, true},
		{"of all week", []ticketKey{ago(23*time.Hour, 1), ago(47*time.Hour, 2), ago(167*time.Hour, 3), ago(169*time.Hour, 4)}, []byte{1, 2, 3}, false},
		{"of long ago", []ticketKey{ago(1000*time.Hour, 1)}, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys := newTickets(tt.handed).all()
			if tt.fresh {
				if len(keys) == 0 || time.Since(keys[0].Made) > time.Minute || keys[0].Key == [32]byte{} {
					t.Fatalf("%v has no new key in front", keys)
				}
				keys = keys[1:]
			}
			if len(keys) != len(tt.kept) {
				t.Fatalf("%d keys are left of those before, want %d", len(keys), len(tt.kept))
			}
			for i, n := range tt.kept {
				if keys[i].Key != [32]byte{n} {
					t.Errorf("key %d is %v, want %d", i, keys[i].Key, n)
				}
			}
		})
	}
}

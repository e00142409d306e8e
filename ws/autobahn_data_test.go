package ws_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// dataset is something to send in pieces, one after the other, again from its
// beginning when it has ended.
type dataset struct {
	title        string
	op           byte
	compressible bool
	chars        int    // how long it is, in bytes, or characters if it is a text
	bytes        string // the dataset, and again as much of it as the longest message
	starts       []int  // where each character begins; nil for a binary
}

// longestMessage of cases 12 and 13.
const longestMessage = 128 * kib

// message is the i-th message of n bytes, of n characters in a text.
func (d *dataset) message(i, n int) string {
	from := i * n % d.chars
	if d.starts == nil {
		return d.bytes[from : from+n]
	}
	return d.bytes[d.starts[from]:d.starts[from+n]]
}

func newDataset(title string, op byte, compressible bool, data string) *dataset {
	d := &dataset{title: title, op: op, compressible: compressible, chars: len(data), bytes: data + data}
	if op == opText {
		for at := range d.bytes {
			d.starts = append(d.starts, at)
		}
		d.chars = len(d.starts) / 2
		d.starts = append(d.starts, len(d.bytes))
	}
	if d.chars < longestMessage {
		panic(fmt.Sprintf("%s has %d characters", title, d.chars))
	}
	return d
}

// dataLen is the least length of a dataset in bytes: Autobahn's are of 100 to
// 300 KB.
const dataLen = 200_000

// testData stands for Autobahn's data, in its order, with the same op: a large
// JSON file, a bitmap, a German play, a web page and a PDF. They are made up,
// and always the same.
var testData = sync.OnceValue(func() []*dataset {
	r := rand.New(rand.NewPCG(7, 692))
	return []*dataset{
		newDataset("JSON", opText, true, madeJSON(r)),
		newDataset("bitmap", opBinary, false, madeBitmap(r)),
		newDataset("play", opBinary, true, madePlay(r)),
		newDataset("page", opText, true, madePage(r)),
		newDataset("PDF", opBinary, false, madePDF(r)),
	}
})

var words = strings.Fields(`Habe nun ach Philosophie Juristerei und Medizin leider auch Theologie durchaus
	studiert mit heißem Bemühn da steh ich ich armer Tor bin so klug als wie zuvor heiße Magister Doktor gar
	ziehe schon an die zehen Jahr herauf herab quer krumm meine Schüler der Nase herum sehe daß wir nichts
	wissen können das will mir schier Herz verbrennen 書 κόσμε naïve 𝄞`)

func sentence(r *rand.Rand, n int) string {
	picked := make([]string, n)
	for i := range picked {
		picked[i] = words[r.IntN(len(words))]
	}
	return strings.Join(picked, " ")
}

func madeJSON(r *rand.Rand) string {
	var s strings.Builder
	for i := 0; s.Len() < dataLen; i++ {
		fmt.Fprintf(&s, "{\"id\": %d, \"guid\": \"%08x-%04x\", \"active\": %v, \"balance\": %.2f,\n \"about\": %q, \"tags\": [%q, %q]},\n",
			i, r.Uint32(), r.IntN(1<<16), r.IntN(2) == 0, r.Float64()*4000, sentence(r, 12), sentence(r, 1), sentence(r, 1))
	}
	return s.String()
}

// madeBitmap is a header and 512 by 512 points of soft hills with grain.
func madeBitmap(r *rand.Rand) string {
	b := append([]byte("BM"), make([]byte, 52)...)
	binary.LittleEndian.PutUint32(b[18:], 512)
	for y := range 512 {
		for x := range 512 {
			b = append(b, byte(x*y>>10+x>>2+r.IntN(24)))
		}
	}
	return string(b)
}

func madePlay(r *rand.Rand) string {
	var s strings.Builder
	for s.Len() < dataLen {
		fmt.Fprintf(&s, "FAUST.\r\n  %s,\r\n  %s.\r\n\r\n", sentence(r, 6), sentence(r, 7))
	}
	return s.String()
}

func madePage(r *rand.Rand) string {
	var s strings.Builder
	for i := 0; s.Len() < dataLen; i++ {
		fmt.Fprintf(&s, "<li class=\"item item-%d\"><a href=\"/p/%x\">%s</a><p>%s</p></li>\n",
			i%7, r.Uint32(), sentence(r, 3), sentence(r, 15))
	}
	return s.String()
}

// madePDF is what cannot be compressed, with a little around it that can.
func madePDF(r *rand.Rand) string {
	var s strings.Builder
	for i := 1; s.Len() < dataLen; i++ {
		fmt.Fprintf(&s, "%d 0 obj\n<< /Length 3000 /Filter /FlateDecode >>\nstream\n", i)
		for range 3000 {
			s.WriteByte(byte(r.Uint32()))
		}
		s.WriteString("\nendstream\nendobj\n")
	}
	return s.String()
}

// randomString is n bytes that cannot be compressed, always the same.
func randomString(n int) string {
	r := rand.New(rand.NewPCG(3, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

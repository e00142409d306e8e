package main

import (
	"os/exec"
	"strings"

	"rsc.io/qr"
)

// openBrowser has the desktop show a URL. It does not wait for the browser.
func openBrowser(url string) error {
	cmd := exec.Command("xdg-open", url)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // so that it does not stay a zombie; how it ends is the desktop's business
	return nil
}

// outermost is the URL that others in the network can use, if there is one.
func outermost(list []string) string {
	for _, url := range list {
		_, host, ok := strings.Cut(url, "://")
		if ok && !strings.HasPrefix(host, "localhost") && !strings.HasPrefix(host, "127.") {
			return url
		}
	}
	return list[0]
}

// quietZone is how many light modules a reader wants around a code; the standard says 4, and 2 do on a screen.
const quietZone = 2

// qrCode draws text by half blocks: two rows of modules a line, dark on light whatever the terminal's colours are. "" for a
// text that no code can hold.
func qrCode(text string) string {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return ""
	}
	var b strings.Builder
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		b.WriteString("  \x1b[30;107m")
		for x := -quietZone; x < code.Size+quietZone; x++ {
			b.WriteString(halfBlocks[code.Black(x, y)][code.Black(x, y+1)])
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String()
}

// halfBlocks are the characters for a dark upper and a dark lower module.
var halfBlocks = map[bool]map[bool]string{
	true:  {true: "█", false: "▀"},
	false: {true: "▄", false: " "},
}

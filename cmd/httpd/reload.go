package main

import (
	"fmt"
	"os"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// What a running httpd does on SIGHUP and SIGUSR2, and what it tells systemd and the process that it replaces.

// reload reads the config anew. Connections stay, and requests that are at work end as they began; with a config that is
// not right everything stays as it is.
func (d *daemon) reload() {
	if d.handler != nil {
		d.access.logger.Info("nothing to reload")
		return
	}
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // it cannot fail for this clock
	notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000))
	defer notify("READY=1")
	useTLS := func() {}
	next, err := d.source.Load()
	if err == nil && d.secure != nil {
		useTLS, err = d.secure.Prepare(next)
		err = d.source.Locate(err)
	}
	if err == nil {
		err = d.setSites(next)
	}
	if err != nil {
		d.access.logger.Error("the config is not reloaded, the one before stays in force", "error", err)
		return
	}
	useTLS()
	// What waits stays what it is, so that the next reload compares with what holds.
	if waits := d.config.Reload(next); len(waits) > 0 {
		d.access.logger.Warn("these settings hold from the next start on, or from a SIGUSR2", "settings", waits)
	}
	d.access.logger.Info("config reloaded", "sites", len(next.Sites))
}

// handoverPatience bounds how long a successor may take to come to serve.
const handoverPatience = 30 * time.Second

// replace starts the binary anew, as it is now, on the same listeners. It says whether the new process serves.
func (d *daemon) replace() bool {
	program, err := os.Executable() // the name that this process was started by, whatever is there now
	if err == nil {
		var pid int
		if pid, err = d.listeners.Handover(program, os.Args[1:], d.handedOn(), handoverPatience); err == nil {
			notify(fmt.Sprintf("MAINPID=%d", pid))
			d.access.logger.Info("replaced", "by", pid, "connections", d.server.ConnectionCount())
			return true
		}
	}
	d.access.logger.Error("not replaced, this process goes on", "error", err)
	return false
}

// ready tells those who wait for it that requests are served.
func (d *daemon) ready() {
	notify("READY=1")
	d.listeners.Ready()
}

// notify tells systemd, where it is there to be told: sd_notify(3).
func notify(state string) { _, _ = sd.SdNotify(false, state) }

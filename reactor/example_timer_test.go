package reactor_test

import (
	"fmt"
	"log"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// Timers fire on the loop, one at a time, and may be added and cancelled from any
// goroutine, also by each other.
func Example_timer() {
	loop, err := reactor.NewEventLoop()
	if err != nil {
		log.Fatal(err)
	}
	never := loop.RunAfter(time.Hour, func() { fmt.Println("never") })
	loop.RunAfter(20*time.Millisecond, func() {
		fmt.Println("once; cancelled the other:", loop.Cancel(never))

		ticks := 0
		var every reactor.TimerID
		every = loop.RunEvery(5*time.Millisecond, func() {
			ticks++
			fmt.Println("tick", ticks)
			if ticks == 3 {
				loop.Cancel(every)
				loop.Quit()
			}
		})
	})
	loop.RunAt(time.Now().Add(10*time.Millisecond), func() { fmt.Println("at its time") })

	if err := loop.Loop(); err != nil { // until Quit
		log.Fatal(err)
	}
	// Output:
	// at its time
	// once; cancelled the other: true
	// tick 1
	// tick 2
	// tick 3
}

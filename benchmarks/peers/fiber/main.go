// Command fiber is github.com/gofiber/fiber, version 3, measured beside Carillon:
// with sonic for JSON, as its page "Make Fiber Faster" advises.
package main

import (
	"log"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/bytedance/sonic"
	"github.com/gofiber/fiber/v3"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
)

var plaintext = []byte(endpoint.Text)

func main() {
	addr, err := endpoint.Addr()
	if err != nil {
		log.Fatal("fiber: ", err)
	}
	app := fiber.New(fiber.Config{
		ServerHeader: "fiber",
		JSONEncoder:  sonic.Marshal,
	})
	register(app)
	log.Fatal("fiber: ", app.Listen(addr, fiber.ListenConfig{DisableStartupMessage: true}))
}

func register(app *fiber.App) {
	var waits endpoint.Waits
	app.Get("/plaintext", func(c fiber.Ctx) error {
		c.Response().Header.SetContentType("text/plain")
		c.Response().SetBodyRaw(plaintext)
		return nil
	})
	app.Get("/json", func(c fiber.Ctx) error {
		return c.JSON(endpoint.Message{Message: endpoint.Text})
	})
	app.Post("/echo", func(c fiber.Ctx) error {
		c.Response().Header.SetContentType("application/octet-stream")
		return c.Send(c.BodyRaw())
	})
	app.Get("/gc", func(fiber.Ctx) error { debug.FreeOSMemory(); return nil })
	app.Get("/goroutines", func(c fiber.Ctx) error { return text(c, strconv.Itoa(runtime.NumGoroutine())) })
	app.Get("/wait", func(c fiber.Ctx) error {
		waits.Wait(c.RequestCtx()) // done with the server, as in fasthttp
		return nil
	})
	app.Get("/cancelled", func(c fiber.Ctx) error { return text(c, waits.String()) })
	app.Get("/panic", func(fiber.Ctx) error { panic("asked for by GET /panic") })
	for _, r := range endpoint.Routes() {
		app.Get(pattern(r.Path), route(r))
	}
}

// pattern turns "/user/{id}" into fiber's "/user/:id".
func pattern(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

func route(r endpoint.Route) fiber.Handler {
	if r.Param == "" {
		return func(c fiber.Ctx) error { return text(c, r.Plain) }
	}
	return func(c fiber.Ctx) error { return text(c, c.Params(r.Param)) }
}

func text(c fiber.Ctx, s string) error {
	c.Response().Header.SetContentType("text/plain")
	return c.SendString(s)
}

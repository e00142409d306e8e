package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
)

// settingFlags are the flags of a command that are settings, by their keys. What they are given is kept as text, because a file
// may have to be read before them, and again after them.
type settingFlags struct{ given map[string][]string }

// add makes flags of the settings with these keys, of all without any.
func (f *settingFlags) add(cmd *cobra.Command, keys ...string) {
	f.given = map[string][]string{}
	flags := cmd.Flags()
	flags.SortFlags = false
	for _, s := range config.Settings() {
		if !s.Flag || len(keys) > 0 && !slices.Contains(keys, s.Key) {
			continue
		}
		v := &settingFlag{setting: s, given: f.given}
		flag := flags.VarPF(v, s.FlagName(), s.Letter, help(s))
		flag.NoOptDefVal = s.Bare
		complete := cobra.NoFileCompletions
		switch {
		case s.Of != nil:
			complete = cobra.FixedCompletions(s.Of, cobra.ShellCompDirectiveNoFileComp)
		case s.Arg == "FILE":
			complete = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
		case s.Arg == "DIR":
			complete = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
		}
		_ = cmd.RegisterFlagCompletionFunc(s.FlagName(), complete)
	}
}

// help is the text of a flag, with the default where there is one.
func help(s config.Setting) string {
	text := strings.Replace(s.Doc, s.Arg, "`"+s.Arg+"`", 1)
	value := strings.Trim(s.In(config.Default()).String(), `"`)
	switch {
	case s.Key == "listen":
		value = config.DefaultListen + ", with certificates https://:8443, with acme https://:443 and :80"
	case value == "" || value == "0" || value == "0s" || value == "[]" || value == "false":
		return text
	}
	return text + " (default " + value + ")"
}

// settingFlag is one flag.
type settingFlag struct {
	setting config.Setting
	given   map[string][]string
}

// Set implements pflag.Value: a mistake shows at once.
func (f *settingFlag) Set(text string) error {
	texts := []string{text}
	if text == f.setting.Bare {
		texts = strings.Split(text, ",")
	}
	for _, t := range texts {
		if err := f.setting.In(config.Default()).Set(t); err != nil {
			return err
		}
	}
	f.given[f.setting.Key] = append(f.given[f.setting.Key], texts...)
	return nil
}

// String implements pflag.Value; the default is in the help.
func (f *settingFlag) String() string { return "" }

// Type implements pflag.Value.
func (f *settingFlag) Type() string { return f.setting.Arg }

// source is where a command's settings come from.
func (f *settingFlags) source(file, folder string) *config.Source {
	if file == "" {
		file = os.Getenv("HTTPD_CONFIG")
	}
	return &config.Source{File: file, Env: os.Getenv, Given: f.given, Folder: folder}
}

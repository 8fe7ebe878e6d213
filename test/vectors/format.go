package vectors

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// block is one vector or table of vectors as it stands in a file.
type block struct {
	vector Vector
	rows   [][]string
}

// Parse reads one file.
func Parse(file, text string) ([]*Vector, error) {
	var all []*Vector
	var current *block
	finish := func() error {
		if current == nil {
			return nil
		}
		found, err := current.expand()
		all = append(all, found...)
		return err
	}
	for number, line := range strings.Split(text, "\n") {
		var err error
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		switch {
		case word == "" || strings.HasPrefix(word, "#"):
		case word == "vector":
			err = finish()
			current = &block{vector: Vector{Name: rest, File: file, Then: "open"}}
		case current == nil:
			err = fmt.Errorf("%q stands before the first vector", word)
		case word == "|" || strings.HasPrefix(line, "|"):
			err = current.raw(strings.TrimPrefix(strings.TrimPrefix(line, "|"), " "))
		default:
			err = current.directive(word, rest)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, number+1, err)
		}
	}
	if err := finish(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return all, nil
}

func (b *block) raw(line string) error {
	text, err := unescape(line)
	b.vector.Raw += text
	return err
}

func (b *block) directive(word, rest string) error {
	switch word {
	case "why":
		b.vector.Why = rest
		return nil
	case "want":
		want, err := parseWant(rest)
		b.vector.Wants = append(b.vector.Wants, want)
		return err
	case "row":
		cells := strings.Split(rest+" ", " | ")
		for n := range cells {
			text, err := unescape(strings.TrimSpace(cells[n]))
			if err != nil {
				return err
			}
			cells[n] = text
		}
		b.rows = append(b.rows, cells)
		return nil
	case "ask":
		b.vector.Ask = append(b.vector.Ask, rest)
		return nil
	case "on":
		b.vector.On = rest
		return nil
	case "then":
		b.vector.Then = rest
		if !slices.Contains([]string{"open", "close", "reset"}, rest) {
			return fmt.Errorf("then %q: open, close or reset", rest)
		}
		return nil
	}
	if len(b.vector.Wants) == 0 {
		return fmt.Errorf("%q: no such directive, or no want before it", word)
	}
	return b.vector.Wants[len(b.vector.Wants)-1].qualify(word, rest)
}

func (w *Want) qualify(word, rest string) (err error) {
	switch word {
	case "as":
		w.Target, err = unescape(rest)
	case "host":
		w.Host = rest
	case "drops":
		w.Drops = append(w.Drops, strings.Fields(rest)...)
	default:
		return fmt.Errorf("%q: no such directive", word)
	}
	if w.Verdict != Sanitise && w.Verdict != Pass {
		return fmt.Errorf("%q is for forward-sanitised and pass", word)
	}
	return err
}

var verdicts = []Verdict{Forward, Sanitise, Refuse, Close, Ignore, Pass, Truncated}

var flags = []string{"open", "partial", "early", "once"}

func parseWant(text string) (Want, error) {
	words := strings.Fields(text)
	if len(words) == 0 || !slices.Contains(verdicts, Verdict(words[0])) {
		return Want{}, fmt.Errorf("want %q: no such verdict", text)
	}
	want := Want{Verdict: Verdict(words[0]), Flags: map[string]bool{}}
	for _, word := range words[1:] {
		status, err := strconv.Atoi(word)
		switch {
		case slices.Contains(flags, word):
			want.Flags[word] = true
		case want.Verdict == Refuse && err == nil:
			want.Status = append(want.Status, status)
		case want.Verdict == Refuse && want.Cause == "":
			want.Cause = word
		default:
			return Want{}, fmt.Errorf("want %q: what is %q?", text, word)
		}
	}
	if want.Verdict == Refuse && len(want.Status) == 0 {
		return Want{}, fmt.Errorf("want %q: no status", text)
	}
	return want, nil
}

// expand makes one vector of each row: the first cell is for * in the name, the others are $1, $2…
func (b *block) expand() ([]*Vector, error) {
	v := &b.vector
	table := strings.Contains(v.Name, "*")
	switch {
	case v.Name == "" || v.Raw == "" || len(v.Wants) == 0:
		return nil, fmt.Errorf("vector %q needs a name, a want and bytes", v.Name)
	case table != (len(b.rows) > 0):
		return nil, fmt.Errorf("vector %q: a table has a * in its name, and rows", v.Name)
	case !table:
		return []*Vector{v}, checkPlaceholders(v)
	}
	var all []*Vector
	for _, cells := range b.rows {
		one := *v
		one.Name = strings.Replace(v.Name, "*", cells[0], 1)
		pairs := []string{}
		for n, cell := range cells[1:] {
			pairs = append(pairs, "$"+strconv.Itoa(n+1), cell)
		}
		fill := strings.NewReplacer(pairs...)
		one.Raw = fill.Replace(v.Raw)
		one.Wants = slices.Clone(v.Wants)
		for n := range one.Wants {
			one.Wants[n].Target = fill.Replace(one.Wants[n].Target)
			one.Wants[n].Host = fill.Replace(one.Wants[n].Host)
			one.Wants[n].Drops = slices.Clone(one.Wants[n].Drops)
			for d := range one.Wants[n].Drops {
				one.Wants[n].Drops[d] = fill.Replace(one.Wants[n].Drops[d])
			}
		}
		if err := checkPlaceholders(&one); err != nil {
			return nil, err
		}
		all = append(all, &one)
	}
	return all, nil
}

// checkPlaceholders finds a $ that means nothing: a typo, or a row with too few cells.
func checkPlaceholders(v *Vector) error {
	known := strings.NewReplacer("$id", "", "$bait", "", "$fields", "", "$len", "")
	if _, rest, found := strings.Cut(known.Replace(v.Raw), "$"); found {
		return fmt.Errorf("vector %s: $%.8q is no placeholder (a dollar is \\x24)", v.Name, rest)
	}
	v.Raw = strings.ReplaceAll(v.Raw, dollar, "$")
	for n := range v.Wants {
		v.Wants[n].Target = strings.ReplaceAll(v.Wants[n].Target, dollar, "$")
	}
	return nil
}

// dollar stands for an escaped $ until all placeholders are known to be right.
const dollar = "\x00\xffdollar\xff\x00"

// unescape knows \r \n \t \0 \\ \xHH and \{COUNT:TEXT}, which is TEXT, escapes and all, COUNT times.
func unescape(text string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out.WriteByte(text[i])
			continue
		}
		if i++; i == len(text) {
			return "", fmt.Errorf("%q ends in a backslash", text)
		}
		switch text[i] {
		case 'r':
			out.WriteByte('\r')
		case 'n':
			out.WriteByte('\n')
		case 't':
			out.WriteByte('\t')
		case '\\':
			out.WriteByte('\\')
		case 'x':
			if len(text) < i+3 {
				return "", fmt.Errorf("%q: \\x needs two digits", text)
			}
			value, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
			if err != nil {
				return "", err
			}
			if value == '$' {
				out.WriteString(dollar)
			} else {
				out.WriteByte(byte(value))
			}
			i += 2
		case '{':
			end, repeated, err := repeat(text[i:])
			if err != nil {
				return "", err
			}
			out.WriteString(repeated)
			i += end
		default:
			return "", fmt.Errorf("%q: no such escape", text[i-1:i+1])
		}
	}
	return out.String(), nil
}

// repeat reads `{COUNT:TEXT}` and says where its last byte is. TEXT may hold further ones; a brace
// of another kind is written \x7b or \x7d in there.
func repeat(text string) (int, string, error) {
	end, open := 0, 0
	for ; end < len(text); end++ {
		if text[end] == '{' {
			open++
		} else if text[end] == '}' {
			open--
		}
		if open == 0 {
			break
		}
	}
	if end == len(text) {
		return 0, "", fmt.Errorf("%q: no } behind it", text)
	}
	number, what, found := strings.Cut(text[1:end], ":")
	count, err := strconv.Atoi(number)
	if !found || err != nil || count < 1 || count > 1<<20 {
		return 0, "", fmt.Errorf("%q: {COUNT:TEXT}", text[:end+1])
	}
	inner, err := unescape(what)
	return end, strings.Repeat(inner, count), err
}

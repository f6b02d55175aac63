package scan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
)

// people have a number and a mail that are searchable.
var people = []edm.Column{
	{Name: "SSN", IsSearchable: true, IgnoredDelimiters: []string{"-"}},
	{Name: "Mail", IsSearchable: true, IsCaseInsensitive: true},
	{Name: "Name", IsCaseInsensitive: true, IgnoredDelimiters: []string{","}},
	{Name: "Company"},
	{Name: "Phone", IgnoredDelimiters: []string{"(", ")", "-", " ", "+"}},
}

func staff(t testing.TB) *fakeStores {
	t.Helper()
	return newFake(t, people,
		[]string{"900-12-3456", "ngozi@example.com", "Okafor, Ngozi", "Acme Inc.", "+1 (555) 555-0134"},
		[]string{"900-12-3457", "anna@example.com", "Bauer, Anna-Maria", "C++ (Bern)", "555 0135"},
		[]string{"900-12-3458", "", "李小明", "Old Town Bread and Cake", ""},
		[]string{"900-12-3459", "jo@example.com", "Jo Jo", "Jo Jo", "555 0136"},
	)
}

func TestFinds(t *testing.T) {
	far := strings.Repeat("word ", 80) // 400 characters
	for name, tc := range map[string]struct {
		text   string
		change func(*Options)
		want   []string
	}{
		"empty":                       {text: ""},
		"nothing":                     {text: "nobody is named here, and 900-12-3456 by itself is no find"},
		"a number and a name":         {text: "Dear Okafor, Ngozi: 900-12-3456.", want: []string{`0:SSN,Name:"Okafor, Ngozi: 900-12-3456"`}},
		"a value ends a sentence":     {text: "Ask ngozi@example.com. It is about 900-12-3456.", want: []string{`0:SSN,Mail:"ngozi@example.com. It is about 900-12-3456"`}},
		"the comma is another":        {text: "900-12-3456 Okafor Ngozi", want: []string{`0:SSN,Name:"900-12-3456 Okafor Ngozi"`}},
		"no comma of another kind":    {text: "900-12-3456 Okafor; Ngozi"},
		"brackets and quotes":         {text: `("900123456") <NGOZI@example.com>`, want: []string{`0:SSN,Mail:"900123456\") <NGOZI@example.com"`}},
		"beside a label":              {text: "SSN=900-12-3456;mail:ngozi@example.com", want: []string{`0:SSN,Mail:"900-12-3456;mail:ngozi@example.com"`}},
		"exact case":                  {text: "900-12-3456 acme inc."},
		"punctuation of the value":    {text: "900-12-3456 at Acme Inc.", want: []string{`0:SSN,Company:"900-12-3456 at Acme Inc."`}},
		"punctuation that is missing": {text: "900-12-3456 at Acme Inc"},
		"at both edges":               {text: "see C++ (Bern), 900-12-3457", want: []string{`1:SSN,Company:"C++ (Bern), 900-12-3457"`}},
		"ignored brackets":            {text: "900-12-3456: 1 555 555 0134", want: []string{`0:SSN,Phone:"900-12-3456: 1 555 555 0134"`}},
		"a line break in a value":     {text: "Old Town\r\n  Bread and\tCake\n\n900-12-3458", want: []string{`2:SSN,Company:"Old Town\r\n  Bread and\tCake\n\n900-12-3458"`}},
		"no spaces between words":     {text: "患者李小明今日900-12-3458", want: []string{`2:SSN,Name:"李小明今日900-12-3458"`}},
		"more words than may be":      {text: "Old Town Bread and Cake 900-12-3458", change: func(o *Options) { o.MaxWords = 4 }},
		"as many words as may be":     {text: "Old Town Bread and Cake 900-12-3458", change: func(o *Options) { o.MaxWords = 5 }, want: []string{`2:SSN,Company:"Old Town Bread and Cake 900-12-3458"`}},
		"fewer words of a column":     {text: "900-12-3456 ngozi@example.com Okafor, Ngozi", change: func(o *Options) { o.ColumnWords = map[string]int{"Mail": 2, "SSN": 3} }, want: []string{`0:SSN,Name:"900-12-3456 ngozi@example.com Okafor, Ngozi"`}},
		"more words of a column":      {text: "900-12-3458 Old Town Bread and Cake", change: func(o *Options) { o.MaxWords = 3; o.ColumnWords = map[string]int{"Company": 5} }, want: []string{`2:SSN,Company:"900-12-3458 Old Town Bread and Cake"`}},
		"below the columns":           {text: "900-12-3456 ngozi@example.com", change: func(o *Options) { o.MinColumns = 3 }},
		"as many columns":             {text: "900-12-3456 ngozi@example.com Okafor Ngozi", change: func(o *Options) { o.MinColumns = 3 }, want: []string{`0:SSN,Mail,Name:"900-12-3456 ngozi@example.com Okafor Ngozi"`}},
		"a value alone":               {text: "900-12-3456!", change: func(o *Options) { o.MinColumns = 1 }, want: []string{`0:SSN:"900-12-3456"`}},
		"no primary value":            {text: "Okafor, Ngozi of Acme Inc.", change: func(o *Options) { o.MinColumns = 1 }},
		"of two rows":                 {text: "900-12-3456 anna@example.com"},
		"two rows, interleaved": {text: "900-12-3456, 900-12-3457: ngozi@example.com, anna@example.com", want: []string{
			`0:SSN,Mail:"900-12-3456, 900-12-3457: ngozi@example.com"`, `1:SSN,Mail:"900-12-3457: ngozi@example.com, anna@example.com"`,
		}},
		"far apart":                   {text: "900-12-3456 " + far + "ngozi@example.com"},
		"not too far apart":           {text: "900-12-3456 " + far + "ngozi@example.com", change: func(o *Options) { o.Within = 402 }, want: []string{fmt.Sprintf("0:SSN,Mail:%q", "900-12-3456 "+far+"ngozi@example.com")}},
		"at the distance":             {text: "900-12-3456 ab ngozi@example.com", change: func(o *Options) { o.Within = 4 }, want: []string{`0:SSN,Mail:"900-12-3456 ab ngozi@example.com"`}},
		"the nearer end counts":       {text: "Old Town Bread and Cake, 900-12-3458", change: func(o *Options) { o.Within = 2 }, want: []string{`2:SSN,Company:"Old Town Bread and Cake, 900-12-3458"`}},
		"behind the distance":         {text: "900-12-3456 ab ngozi@example.com", change: func(o *Options) { o.Within = 3 }},
		"mandatory and there":         {text: "900-12-3456 ngozi@example.com", change: func(o *Options) { o.Mandatory = []string{"SSN"} }, want: []string{`0:SSN,Mail:"900-12-3456 ngozi@example.com"`}},
		"mandatory and not there":     {text: "900-12-3456 ngozi@example.com", change: func(o *Options) { o.Mandatory = []string{"Name"} }},
		"one text for two columns":    {text: "900-12-3459 Jo Jo", want: []string{`3:SSN,Name:"900-12-3459 Jo Jo"`}},
		"two texts for two columns":   {text: "Jo Jo 900-12-3459 Jo Jo", want: []string{`3:SSN,Name,Company:"Jo Jo 900-12-3459 Jo Jo"`}},
		"it counts for the mandatory": {text: "900-12-3459 Jo Jo", change: func(o *Options) { o.Mandatory = []string{"Company"} }, want: []string{`3:SSN,Company:"900-12-3459 Jo Jo"`}},
		"twice, far apart": {text: "900-12-3456 ngozi@example.com " + strings.Repeat(far, 3) + "ngozi@example.com 900-12-3456", want: []string{
			`0:SSN,Mail:"900-12-3456 ngozi@example.com"`, `0:SSN,Mail:"ngozi@example.com 900-12-3456"`,
		}},
		"twice, near":                     {text: "900-12-3456 ngozi@example.com or 900-12-3456", want: []string{`0:SSN,Mail:"900-12-3456 ngozi@example.com or 900-12-3456"`}},
		"a part of a word":                {text: "X900-12-3456 ngozi@example.com"},
		"within words that are no value":  {text: "900-12-3456-7 of ngozi@example.com.au", want: []string{`0:SSN,Mail:"900-12-3456-7 of ngozi@example.com"`}},
		"within a URL":                    {text: "https://x/?mail=ngozi@example.com&ssn=900123456", want: []string{`0:SSN,Mail:"ngozi@example.com&ssn=900123456"`}},
		"compatible characters":           {text: "９００-１２-３４５６ ｎｇｏｚｉ＠example.com", want: []string{`0:SSN,Mail:"９００-１２-３４５６ ｎｇｏｚｉ＠example.com"`}},
		"an empty cell is never the same": {text: "900-12-3458 () -- +", change: func(o *Options) { o.MinColumns = 2 }},
	} {
		t.Run(name, func(t *testing.T) {
			if got := staff(t).scan(t, tc.text, tc.change); !slices.Equal(got, tc.want) {
				t.Errorf("%q:\n%s\nwant\n%s", tc.text, strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

// TestFindsThatTouchAreOne quotes a value twice without anything between.
func TestFindsThatTouchAreOne(t *testing.T) {
	f := newFake(t, []edm.Column{{Name: "A", IsSearchable: true}}, []string{"李"})
	if got := f.scan(t, "李李 李", nil); !slices.Equal(got, []string{`0:A:"李李"`, `0:A:"李"`}) {
		t.Errorf("%q", got)
	}
}

// TestACommonValueIsNoPrimaryValue has 1,001 people in one town, which is searchable.
func TestACommonValueIsNoPrimaryValue(t *testing.T) {
	columns := []edm.Column{{Name: "ID", IsSearchable: true}, {Name: "Town", IsSearchable: true}, {Name: "Name"}}
	var rows [][]string
	for i := range edm.MaxLimit + 2 {
		rows = append(rows, []string{fmt.Sprintf("P%d", i), []string{"Oslo", "Lima"}[min(1, max(0, i-edm.MaxLimit))], fmt.Sprintf("N%d", i)})
	}
	f := newFake(t, columns, rows...)
	for text, want := range map[string][]string{
		"N7 of Oslo":           nil,
		"P7 of Oslo":           {`7:ID,Town:"P7 of Oslo"`},
		"N1001 of Lima":        {`1001:Town,Name:"N1001 of Lima"`},
		"P999 of Oslo in Lima": {`999:ID,Town:"P999 of Oslo"`},
	} {
		if got := f.scan(t, text, nil); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	f = newFake(t, columns, rows[1:]...) // 1,000 people in Oslo less one, two in Lima
	if got := f.scan(t, "N7 of Oslo", nil); !slices.Equal(got, []string{`6:Town,Name:"N7 of Oslo"`}) {
		t.Errorf("%q", got)
	}
}

// TestATokenIsAskedForOnce repeats a text, in several files.
func TestATokenIsAskedForOnce(t *testing.T) {
	f := staff(t)
	s := f.open(t, nil)
	for range 3 {
		text := strings.Repeat("nobody is here but ngozi@example.com. ", 100)
		if err := s.Scan(t.Context(), "-", strings.NewReader(text), func(Find) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	asked := map[string]int{}
	for _, q := range f.requests {
		for _, one := range q.Questions {
			if len(one.SameRow) == 0 {
				asked[one.Token]++
			}
		}
	}
	if len(asked) < 100 || len(asked) > 600 {
		t.Fatalf("%d tokens are asked for", len(asked))
	}
	for _, times := range asked {
		if times > 1 {
			t.Fatalf("a token is asked for %d times", times)
		}
	}
}

// TestManyValuesBesideOne compares more tokens than a question takes, with the row's
// value among the first and the last of them.
func TestManyValuesBesideOne(t *testing.T) {
	var words strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&words, "w%d ", i)
	}
	for _, text := range []string{"900-12-3456 Acme Inc. " + words.String(), "900-12-3456 " + words.String() + "Acme Inc."} {
		f := staff(t)
		got := f.scan(t, text, func(o *Options) { o.Within = 30_000 })
		if len(got) != 1 || !strings.HasPrefix(got[0], "0:SSN,Company:") {
			t.Errorf("%d finds: %.40q", len(got), got)
		}
		most := 0
		for _, q := range f.requests {
			for _, one := range q.Questions {
				most = max(most, len(one.SameRow["Company"]))
			}
		}
		if most != edm.MaxSameRowTokens {
			t.Errorf("a question compares %d tokens", most)
		}
	}
}

// TestManyRecordsAtOnce quotes a table whole: batches stay within their bounds.
func TestManyRecordsAtOnce(t *testing.T) {
	var rows [][]string
	var text strings.Builder
	for i := range 120 {
		row := []string{fmt.Sprintf("9%08d", i), fmt.Sprintf("p%d@example.com", i), fmt.Sprintf("N%d Last", i), "Acme", ""}
		rows = append(rows, row)
		text.WriteString(strings.Join(row, "\t") + "\n")
	}
	got := newFake(t, people, rows...).scan(t, text.String(), func(o *Options) { o.MinColumns = 4; o.Within = 30 })
	if len(got) != 120 || !strings.HasPrefix(got[119], "119:SSN,Mail,Name,Company:") {
		t.Errorf("%d finds: %q", len(got), got[:min(3, len(got))])
	}
}

// TestOneTableAnswers replaces the live table during a scan.
func TestOneTableAnswers(t *testing.T) {
	mismatch := &edm.Error{Op: "match", Status: 422, Code: edm.CodeRulesMismatch, Message: "other rules", Class: edm.Terminal}
	failed := &edm.Error{Op: "match", Status: 422, Code: edm.CodeKeyMismatch, Message: "another key", Class: edm.Terminal}
	for name, tc := range map[string]struct {
		at    func(*fakeStores, int) error
		words string
	}{
		"before the first answer": {func(f *fakeStores, _ int) error { f.generation = 8; return nil }, errReplaced.Error()},
		"before the last answer": {func(f *fakeStores, call int) error {
			if len(f.requests[call-1].Questions[0].SameRow) > 0 {
				f.generation = 8
			}
			return nil
		}, errReplaced.Error()},
		"with other rules":       {func(*fakeStores, int) error { return mismatch }, errReplaced.Error()},
		"the service refuses it": {func(*fakeStores, int) error { return failed }, "another key"},
	} {
		f := staff(t)
		s := f.open(t, nil)
		f.fails = func(call int) error { return tc.at(f, call) }
		finds := 0
		err := s.Scan(t.Context(), "-", strings.NewReader("900-12-3456 ngozi@example.com"), func(Find) error { finds++; return nil })
		if err == nil || !strings.Contains(err.Error(), tc.words) || finds > 0 || ExitCode(err) != exitError {
			t.Errorf("%s: %d finds, then %v", name, finds, err)
		}
	}
}

func TestWhatCannotBeScannedFor(t *testing.T) {
	plain := []edm.Column{{Name: "Name"}, {Name: "Town"}}
	for name, tc := range map[string]struct {
		columns []edm.Column
		key     []byte
		store   string
		change  func(*Options)
		words   string
	}{
		"another store":        {people, testKey, "stuff", nil, "it has people"},
		"a short key":          {people, testKey[:31], storeName, nil, "--key-file"},
		"another key":          {people, []byte("another key of 32 bytes, at the least"), storeName, nil, "was hashed under"},
		"no searchable column": {plain, testKey, storeName, nil, "has no searchable column"},
		"no rules":             {nil, testKey, storeName, nil, "has no live table that"},
		"no such column":       {people, testKey, storeName, func(o *Options) { o.Mandatory = []string{"Town"} }, "it has SSN, Mail, Name, Company, Phone"},
		"too many columns":     {people, testKey, storeName, func(o *Options) { o.MinColumns = 6 }, "--min-columns is 6"},
		"no words":             {people, testKey, storeName, func(o *Options) { o.MaxWords = 0 }, "--max-words must be 1 to 32"},
		"no words of a column": {people, testKey, storeName, func(o *Options) { o.ColumnWords = map[string]int{"SSN": 0} }, "--max-words must be"},
		"words of no column":   {people, testKey, storeName, func(o *Options) { o.ColumnWords = map[string]int{"Town": 3} }, "--max-words: the live table"},
		"a pattern of none":    {people, testKey, storeName, func(o *Options) { o.Patterns = map[string]string{"Town": "a"} }, "--pattern: the live table"},
		"what is ignored":      {people, testKey, storeName, func(o *Options) { o.Patterns = map[string]string{"SSN": `\d{3}-\d{2}-\d{4}`} }, "without the characters that the column ignores"},
		"what is folded":       {people, testKey, storeName, func(o *Options) { o.Patterns = map[string]string{"Mail": `(P|Q)+@example\.com`} }, "in lower case"},
		"too many words":       {people, testKey, storeName, func(o *Options) { o.MaxWords = 33 }, "--max-words"},
		"too far":              {people, testKey, storeName, func(o *Options) { o.Within = 100_001 }, "--within must be 0 to 100000"},
		"less than far":        {people, testKey, storeName, func(o *Options) { o.Within = -1 }, "--within"},
		"less than a column":   {people, testKey, storeName, func(o *Options) { o.MinColumns = -1 }, "--min-columns"},
	} {
		f := newFake(t, tc.columns)
		if _, err := Open(t.Context(), f, tc.key, tc.store, options(tc.change)); err == nil || !strings.Contains(err.Error(), tc.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFewerQuestions counts the questions about a text in which little is found, as the
// options allow.
func TestFewerQuestions(t *testing.T) {
	all := slices.Clone(people)
	for i := range all {
		all[i].IsSearchable = true
	}
	row := []string{"900-12-3456", "ngozi@example.com", "Okafor, Ngozi", "Acme Inc.", "+1 (555) 555-0134"}
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "word%d ", i*i)
	}
	text.WriteString("Okafor, Ngozi 900-12-3456 " + text.String())
	for name, tc := range map[string]struct {
		columns []edm.Column
		change  func(*Options)
		finds   int
		most    int
	}{
		"two searchable columns":         {people, nil, 1, 50_000},
		"one of them is mandatory":       {people, func(o *Options) { o.Mandatory = []string{"SSN"} }, 1, 25_000},
		"and has a pattern":              {people, func(o *Options) { o.Mandatory, o.Patterns = []string{"SSN"}, map[string]string{"SSN": `\d{9}`} }, 1, 600},
		"all are searchable, five count": {all, func(o *Options) { o.MinColumns = 5 }, 0, 25_000},
		"all are searchable, four do":    {all, func(o *Options) { o.MinColumns, o.ColumnWords = 4, map[string]int{"SSN": 1, "Mail": 1} }, 0, 9000},
	} {
		f := newFake(t, tc.columns, row)
		if got := f.scan(t, text.String(), tc.change); len(got) != tc.finds {
			t.Errorf("%s: %q", name, got)
		}
		asked := 0
		for _, q := range f.requests {
			asked += len(q.Questions)
		}
		if asked > tc.most || asked < tc.most/3 {
			t.Errorf("%s: %d questions, want at most %d", name, asked, tc.most)
		}
	}
}

package table_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/table"
)

const (
	bzip2Sample   = "425a6839314159265359d94c4ab6000003dd8000100004200044222024004020002203419080 69a682b2c1e9d6212f1772453850 90d94c4ab6"
	xzSample      = "fd377a585a000004e6d6b4460200210116000000742fe5a301000d49442c4d61696c0a312c6140780a000000fa5bb925bd26825b0001260e081be0041fb6f37d010000000004595a"
	lz4Sample     = "04224d186440a70e00008049442c4d61696c0a312c6140780a0000000067e2bdc1"
	sevenZSample  = "377abcaf271c0004"
	rarSample     = "526172211a0701003392b5e50a01050600050101808000"
	oleSample     = "d0cf11e0a1b11ae100000000000000000000000000000000"
	parquetSample = "504152311504151c15204c150e15000000"
	avroSample    = "4f626a0104146176726f2e636f646563"
	pdfSample     = "255044462d312e370a25e2e3cfd30a"
)

func unhex(t testing.TB, sample string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(sample, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func zipped(t testing.TB, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create("table.csv")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write([]byte(text))
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func tarred(t testing.TB, text string, format tar.Format) string {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := w.WriteHeader(&tar.Header{Name: "table.csv", Mode: 0o600, Size: int64(len(text)), Format: format})
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestBinariesAreNamed(t *testing.T) {
	const text = "ID,Mail\n1,hush\n"
	for _, tc := range []struct{ name, stored, says string }{
		{"zip", zipped(t, text), "zip archive (an .xlsx is a zip)"},
		{"zip of nothing", "PK\x05\x06" + strings.Repeat("\x00", 18), "empty zip archive"},
		{"zip in parts", "PK\x07\x08" + zipped(t, text), "zip archive"},
		{"tar", tarred(t, text, tar.FormatUSTAR), "tar archive"},
		{"tar of GNU", tarred(t, text, tar.FormatGNU), "tar archive"},
		{"tar of POSIX", tarred(t, text, tar.FormatPAX), "tar archive"},
		{"bzip2", unhex(t, bzip2Sample), "bzip2"},
		{"bzip2 of nothing", "BZh9\x17rE8P\x90\x00\x00\x00\x00", "bzip2"},
		{"xz", unhex(t, xzSample), "xz"},
		{"LZ4", unhex(t, lz4Sample), "LZ4"},
		{"LZ4 of old", "\x02\x21\x4C\x18\x10\x00\x00\x00", "LZ4"},
		{"7z", unhex(t, sevenZSample), "7z"},
		{"RAR", unhex(t, rarSample), "RAR"},
		{"OLE", unhex(t, oleSample), ".xls"},
		{"Parquet", unhex(t, parquetSample), "Parquet"},
		{"Avro", unhex(t, avroSample), "Avro"},
		{"PDF", unhex(t, pdfSample), "PDF"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for within, stored := range map[string]string{
				"": tc.stored, " within gzip": string(gzipped(t, tc.stored)), " within zstd": string(zstandard(t, nil, tc.stored)),
			} {
				_, _, err := decoded(strings.NewReader(stored), table.Format{}, table.DefaultLimits())
				var e *table.EncodingError
				if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), within) ||
					!strings.Contains(err.Error(), "plain or compressed with gzip or zstd") || strings.Contains(err.Error(), "hush") {
					t.Errorf("%s: %v", within, err)
				}
			}
			for _, said := range []table.Compression{table.CompressionNone, table.CompressionGzip, table.CompressionZstd} {
				_, _, err := decoded(strings.NewReader(tc.stored), table.Format{Compression: said}, table.DefaultLimits())
				if err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("where the format says %s: %v", said, err)
				}
			}
		})
	}
}

func TestCompressedTwice(t *testing.T) {
	const text = "ID,Mail\n1,2\n"
	once := map[string]string{"gzip": string(gzipped(t, text)), "zstd": string(zstandard(t, nil, text))}
	for inner, stored := range once {
		for outer, twice := range map[string]string{"gzip": string(gzipped(t, stored)), "zstd": string(zstandard(t, nil, stored))} {
			_, _, err := decoded(strings.NewReader(twice), table.Format{}, table.DefaultLimits())
			var e *table.EncodingError
			if !errors.As(err, &e) || !strings.Contains(err.Error(), "compressed twice, "+inner+" within "+outer) || !strings.Contains(err.Error(), "once") {
				t.Errorf("%s in %s: %v", inner, outer, err)
			}
		}
	}
}

// What begins as the name of a file's kind is still a table where it is text.
func TestTextIsNoBinary(t *testing.T) {
	starts := []string{
		"PAR1,PAR2\n", "PK,Name\n", "BZh9,Name\n", "BZh91AY,Name\n", "BZhx1AY&SY\n", "%PDF-x.y\n", "%PDF-Version,Name\n", "%PDF-1,Name\n", "Obj,Name\n", "ObjID\n", "Rar!,Name\n", "7z,Name\n",
		"(,/,Name\n", strings.Repeat("x", 253) + ",Mustar 00", strings.Repeat("x", 256) + "gustar  ,y\n", strings.Repeat("x", 257) + "ustar00,y\n",
	}
	for _, text := range starts {
		if got, _, err := decoded(strings.NewReader(text), table.Format{}, table.DefaultLimits()); err != nil || got != text {
			t.Errorf("%q: %v", text, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(starts).Draw(t, "start") + rapid.StringMatching(`[ -~\n\t]{0,600}`).Draw(t, "rest")
		if got, _, err := decoded(strings.NewReader(text), table.Format{}, table.DefaultLimits()); err != nil || got != text {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// headerOf reads and matches a header as a preparation does.
func headerOf(stored string, f table.Format, columns ...string) error {
	d, err := table.Decode(strings.NewReader(stored), f, table.DefaultLimits())
	if err != nil {
		return err
	}
	header, err := table.NewReader(d, f, table.DefaultLimits()).Header()
	if err == nil {
		_, err = table.MatchHeader(header, columnsOf(columns...), f)
	}
	return d.Explain(err, columnsOf(columns...), f)
}

func TestOtherDocumentsAreNamed(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       table.Content
	}{
		{"a page", "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>secret</title></head></html>\n", table.HTML},
		{"a page without a type", "<html><body>secret, please</body></html>", table.HTML},
		{"a page of old", "\r\n  <HTML>\r\n<HEAD>\r\n", table.HTML},
		{"a page with quotes in its first line", "<html lang=\"en\"><body class=\"secret\">", table.HTML},
		{"a page behind a comment", "<!-- secret -->\n<!-- \n -->\n<!doctype HTML>\n<html>", table.HTML},
		{"a page with a mark", "\ufeff<!DOCTYPE html><html></html>", table.HTML},
		{"a page in XML", "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC \"secret\">\n<html></html>", table.HTML},
		{"a page in Latin-1", "<html><title>Sp\xe4ter</title></html>\n", table.HTML},
		{"a page in one long line", "<!DOCTYPE html><html>" + fmt.Sprint(make([]int, 1000), rand.Perm(200_000)), table.HTML},
		{"a page with lines of CR", "<!DOCTYPE html>\r<html>\r</html>\r", table.HTML},
		{"a part of a page", "<script>\nlocation = 'secret'\n</script>", table.HTML},
		{"an object", "{\"error\":{\"code\":\"secret\"}}\n", table.JSON},
		{"an object over lines", "{\n  \"error\": \"secret\"\n}\n", table.JSON},
		{"an empty object", "{}", table.JSON},
		{"a list", "[{\"ID\": 1, \"Name\": \"secret\"}]", table.JSON},
		{"a list of lists", "[[1,2],[3,4]]", table.JSON},
		{"an empty list", "[]\n", table.JSON},
		{"many columns of a list", "[" + strings.Repeat("{\"a\":1},", 2000) + "{}]", table.JSON},
		{"objects, one a line", "{\"ID\":1}\n{\"ID\":2}\n", table.JSON},
		{"a document", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>secret</Code></Error>", table.XML},
		{"a document without a prolog", "<Error><Code>secret</Code></Error>", table.XML},
		{"a long document", "<?xml version=\"1.0\"?>\n<list>" + strings.Repeat("<item>1, ", 1000), table.XML},
		{"an envelope", "<soap:Envelope xmlns:soap=\"http://secret/\"><soap:Body/></soap:Envelope>", table.XML},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for dress, stored := range map[string]string{
				"plain": tc.text, "gzip": string(gzipped(t, tc.text)), "UTF-16": string(utf16Of(binary.LittleEndian, "\ufeff"+strings.TrimPrefix(tc.text, "\ufeff"))),
			} {
				err := headerOf(stored, table.Format{}, "ID", "Account", "Name")
				var e *table.ContentError
				if !errors.As(err, &e) || e.Content != tc.want || !strings.Contains(err.Error(), string(tc.want)) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%s: want %s, got %v", dress, tc.want, err)
				}
			}
		})
	}
}

// A header may begin as another document does: that is told only where no wanted name is there, and not of a header in brackets.
func TestHeadersThatLookLikeOtherDocuments(t *testing.T) {
	for text, wanted := range map[string]string{
		"<html>,ID\n": "<html>", "{},ID\n": "{}", "<a></a>,ID\n": "<a></a>", "[],ID\n": "ID", "<p>,</p>\n": "</p>",
	} {
		if err := headerOf(text, table.Format{}, wanted); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{
		"{ID},{Name}\n", "[ID],[Name]\n", "[2023],[2024]\n", "<ID>,<Name>\n", "<ID>\n", "{\n", "[\n", "<\n", "\"{\",x\n", "<!--,x\n", "<html,x\n", "<htmlx>,x\n", "-,-\n",
		"BZhx,y\n", "<html>,Mail\n", "{},Mail\n", "[],Mail\n", "<a></a>,Mail\n",
	} {
		err := headerOf(text, table.Format{}, "Mail", "City", "Zip")
		var e *table.MissingColumnsError
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", text, err)
		}
	}
	var twice *table.HeaderError
	if err := headerOf("[],ID,ID\n", table.Format{}, "ID"); !errors.As(err, &twice) {
		t.Errorf("a wanted name twice: %v", err)
	}
	if err := headerOf("", table.Format{}, "Mail"); !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty table: %v", err)
	}
}

func TestExplainHelpsWithAMalformedHeader(t *testing.T) {
	for _, tc := range []struct {
		text   string
		format table.Format
		says   string
	}{
		{"\"ID\";\"Mail\"\n", table.Format{}, `not a header (BareQuote): set format.delimiter to ";"`},
		{"\n\n\"ID\"\t\"E, F\"\t\"Mail\"\r\n1\t2\t3\r\n", table.Format{}, `set format.delimiter to "\t"`},
		{"\ufeff\"ID\",\"Mail\"\n", table.Format{Delimiter: '|'}, `set format.delimiter to ","`},
		{"\ufeff\ufeff\"ID\",\"Mail\"\n", table.Format{}, "second byte order mark"},
		{"ID\tMail\t5\" disk\n", table.Format{}, `set format.delimiter to "\t"`},
		{"Gr\u00f6\u00dfe,x\n" + strings.Repeat("\u00e9", 100_000), table.Format{Encoding: table.EncodingWindows1252}, "set it to UTF-8 or Auto"},
		{"Gr\u00f6\u00dfe,y,\n" + strings.Repeat("\u00e9", 100_000), table.Format{Encoding: table.EncodingWindows1252}, "set it to UTF-8 or Auto"},
		{"\"ID\";\"secret\"\n", table.Format{}, "check the delimiter and the quotes"},
		{"ID,Mail\"\n", table.Format{}, "check the delimiter and the quotes"},
		{"Gr\u00f6\u00dfe,\"ID\"x\n", table.Format{Encoding: table.EncodingWindows1252}, "set it to UTF-8 or Auto"},
		{"ID,Gr\u00c1\u00dfe\n", table.Format{Encoding: table.EncodingWindows1252}, "set it to UTF-8 or Auto"},
		{"ID,Gr\x81\xdfe\n", table.Format{Encoding: table.EncodingWindows1252}, "not valid"},
		{"ID,Gr\xf6\xdfe\n", table.Format{Encoding: table.EncodingWindows1252}, `has no column "Mail"`},
	} {
		err := headerOf(tc.text, tc.format, "ID", "Mail")
		if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", tc.text, err)
		}
	}
}

func TestALaterLineIsNoOtherDocument(t *testing.T) {
	d, err := table.Decode(strings.NewReader("<report>,</report>\nID,Mail\n"), table.Format{}, table.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	header, err := table.NewReader(d, table.Format{}, table.Limits{}).Header()
	if err != nil {
		t.Fatal(err)
	}
	wanted := columnsOf("ID", "Mail")
	_, err = table.MatchHeader(header, wanted, table.Format{})
	var content *table.ContentError
	if !errors.As(d.Explain(err, wanted, table.Format{}), &content) {
		t.Fatal("the first line is no document, so this test tests nothing")
	}
	var missing *table.MissingColumnsError
	errors.As(err, &missing)
	missing.NamesLine = 2
	if err := d.Explain(err, wanted, table.Format{}); !errors.Is(err, missing) {
		t.Errorf("got %v", err)
	}
}

// FuzzContent takes any bytes for a table. Whatever comes of the header, the message is short and shows no value: a cell only
// where all wanted names but one are there.
func FuzzContent(f *testing.F) {
	for _, seed := range []string{
		"<!DOCTYPE html>\n<title>secret-1</title>", "{\"error\":\"secret-1\"}", "<?xml version=\"1.0\"?><!-- --><a>secret-1</a>", "[{\"a\":\"secret-1\"}]",
		"secret-1,secret-2\n", "ID,secret-1,x\n", "ID,Account,secret-1\n", "\"ID\";\"Account\";\"Name\";\"secret-1\"\n", "\ufeff\ufeff\"secret-1", "ID\tAccount\tName\tsecret-1",
		"\"ID,secret-1\"\n", "secret-1\xff,x\n", "secret-1\x00\n", "\xff\xfes\x00e\x00c\x00", "id,account,secret-1", "I\u200bD,secret-1,x", "\x1f\x8bsecret-1", "PK\x03\x04secret-1",
	} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(1))
	}
	f.Fuzz(func(t *testing.T, stored string, e uint8) {
		format := table.Format{Encoding: []table.Encoding{table.EncodingAuto, table.EncodingWindows1252}[e%2]}
		err := headerOf(stored, format, "ID", "Account", "Name")
		if err == nil {
			return
		}
		message := err.Error()
		if len(message) > 500 || !utf8.ValidString(message) {
			t.Fatalf("the message is %q", message)
		}
		var missing *table.MissingColumnsError
		if errors.As(err, &missing) && missing.Found == 2 && missing.Header != nil {
			return
		}
		if strings.Contains(message, "secret") {
			t.Fatalf("%q shows what was read", message)
		}
	})
}

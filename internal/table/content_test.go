package table_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

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
		"PAR1,PAR2\n", "PK,Name\n", "BZh9,Name\n", "BZh91AY,Name\n", "%PDF-Version,Name\n", "%PDF-1,Name\n", "Obj,Name\n", "ObjID\n", "Rar!,Name\n", "7z,Name\n",
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

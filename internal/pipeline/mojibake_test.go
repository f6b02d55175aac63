package pipeline

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// names are what people, places and companies are called, by language.
var names = map[string]string{
	"Albanian": "Ismail Kadaré|Gjirokastër|Besnik Çollaku", "Arabic": "محمد علي|القاهرة", "Armenian": "Արամ Խաչատրյան", "Azerbaijani": "Əliyev|Gəncə",
	"Basque": "Iñaki Etxeberria", "Bengali": "রবীন্দ্রনাথ ঠাকুর", "Bulgarian": "Христо Ботев|Пловдив", "Catalan": "Núria Puigdollers|Plaça d’Espanya|Sant Martí|Gal·la Plàcidia|ANNA FLÀVIA",
	"Chinese": "李小龍|上海市", "Croatian": "Ružica Đorđević|Šibenik|Željko Šušnjara", "Czech": "Antonín Dvořák|Plzeň|HOLÍŠOV|MÍŠA PÍŠA|VÝŠKOV|BLÍŽKOVICE|ÚŽICE|KÝŠKA|Dušan Žižka",
	"Danish": "Søren Kierkegaard|Ærø|ÅRHUS|ØRSTED|RØDØ|Åse Ødegård", "Dutch": "Daniël Noteboom|België|’s-Gravenhage|’t Hart|Zoë", "English": "Zoë Brontë|Café Naïve|O’Brien|CAFÉ’S BAR|“The Café”|RENÉ–JEAN",
	"Esperanto": "Ĉiuĵaŭde Ŝtono", "Estonian": "Jõgeva|Õnne Pärn|Lõõtspill|JÕHVI|ÄÄRIK ÕÄ", "Faroese": "Føroyar|Tórshavn|Ólavur", "Finnish": "Äänekoski|JYVÄSKYLÄ–HELSINKI|SEPPÄLÄ’S|Väinö Linna|YÖ JA PÄIVÄ",
	"French":   "Françoise Lefèvre|L’Haÿ-les-Roses|Œuvre|Crêpes Sœur|ÉLÉONORE|DÉJÀ VU|Société\u00a0– Paris|À la carte|«\u00a0Chez René\u00a0»|NESCAFÉ®|NESCAFÉ™|NESCAFÉ® GOLD|N°\u00a05|Mᵐᵉ Noël",
	"Galician": "Begoña Caamaño|A Coruña", "Georgian": "შოთა რუსთაველი", "German": "Jürgen Größe|Weiß–Anna|Voß’ Buchhandlung|Strauß’ Walzer|GÖẞLING|GROẞ|Müller-Lüdenscheidt|Café „Größenwahn“|Straße 5 ½|Ä Ö Ü ß|ANDRÉ´S|30 °C",
	"Greek": "Νίκος Καζαντζάκης|Αθήνα", "Hebrew": "דוד בן־גוריון|תל אביב", "Hindi": "महात्मा गांधी|दिल्ली", "Hungarian": "Erdős Pál|Székesfehérvár|Győr|ÚJPEST|Őze Lajos|Zsófia Szűcs",
	"Icelandic": "Þórður Þórðarson|Ísafjörður|Æsa|ÞÓRÐUR|Sigríður Ýr", "Irish": "Seán Ó Súilleabháin|Pádraig|DÚN LAOGHAIRE|Ó’BRIEN", "Italian": "Nicolò Macrì|CITTÀ|CITTÀ’|PERÙ’|CAFFÈ «ROMA»|CAFFÈ…|Forlì-Cesena|UNIVERSITÀ DEGLI STUDI",
	"Japanese": "山田太郎|東京都|スズキ", "Kazakh": "Қазақстан", "Korean": "김철수|서울특별시", "Latvian": "Jānis Bērziņš|Rīga", "Lithuanian": "Čiurlionis|Šiauliai|Žemaitė", "Macedonian": "Ѓорѓи Ќосев", "Maltese": "Ġorġ Borg|Ħamrun",
	"Maori": "Māui Tāne", "Norwegian": "Bjørnstjerne Bjørnson|Tromsø|Ålesund|ÅSE Ø", "Persian": "فردوسی|می\u200cخواهم", "Polish": "Lech Wałęsa|Łódź|ŻÓŁĆ|Świętosława Źrebak", "Portuguese": "João Guimarães Rosa|SÃO PAULO|Ã|Â|IRMÃ|IRMÃ MARIA|MAÇÃ|AMANHÃ|Â NGULO|Conceição|IRMÃ\u00a0MARIA|ÂNGELA|GONÇALVES|3ª Região|1º Cartório",
	"Romanian": "Ștefan Țăran|Brânză|Â|ÎNCEPUT|Constanța", "Russian": "Лев Толстой|Нижний Новгород", "Scottish": "Màiri Mhòr|Sìne|ALBA NUADH È", "Serbian": "Ђорђе Његош|Đorđe Žarković", "Slovak": "Ľudovít Štúr|PÄŤ|SVÄTÝ JUR|Žilina|MÝŠIA|Božena Slančíková|ÚŽASNÝ",
	"Slovenian": "Žiga Šuštar|Škofja Loka", "Spanish": "Íñigo Muñoz|ESPAÑA|PEÑÍSCOLA|¿Qué?|¡Olé!|MARÍA JOSÉ|JOSÉ’S|Ávila|CAÑÓN|N.º 5|«LEÓN»|LEÓN»|CAFÉ“|1.ª", "Swedish": "Åsa Öberg|Malmö|ÅÄÖ|KRÅKÖ|LULEÅ–BODEN|Östersund", "Tamil": "திருவள்ளுவர்", "Thai": "สมชาย ใจดี|กรุงเทพมหานคร",
	"Turkish": "İsmet Özgür|Şişli|Çağlar Ğ|GÜMÜŞ|ÖZGÜR’ÜN|Iğdır", "Ukrainian": "Тарас Шевченко|Київ|Ґалаґан|Їжакевич", "Urdu": "علامہ اقبال", "Vietnamese": "Nguyễn Ái Quốc|Ân|Â|Ã|Trần Âu Cơ|TRẦN ÂN|LÃ VĂN HÃN|Đỗ Mười|ÔNG ÍCH KHIÊM|Võ Nguyên Giáp", "Welsh": "Siân Tŷ|Llŷr|CÂN Y MÔR|Sïan", "Yoruba": "Ọlátúnjí Ẹ̀kọ́",
	"companies": "L’ORÉAL®|L’Oréal™|MÜLLER©|CITROËN²|Crédit Agricole S.A.|Häagen-Dazs|NESTLÉ»|MOËT & CHANDON|CAFÉ\u00a0BAR|CAFÉ • BAR|CAFÉ•BAR|RENÉ†|É³|Ø×2|Ø 5×7|3×“5”|½ × ¾|10 µm ± 5 %|£5–£7|§\u00a05|©2024|4’11”|5° 30’",
}

func TestNamesAreNoMojibake(t *testing.T) {
	for language, list := range names {
		for name := range strings.SplitSeq(list, "|") {
			upper := strings.ToUpper(name)
			cells := []string{name, upper, strings.ToLower(name), name + " GmbH", "“" + name + "”", name + "-" + name}
			if !strings.HasSuffix(upper, "Ã") && !strings.HasSuffix(upper, "Â") { // with these behind them most mojibake begins
				cells = append(cells, name+"’s", upper+"’S", upper+"®", upper+"…")
			}
			for _, cell := range cells {
				if isMojibake([]byte(cell)) {
					t.Errorf("%s: %q is taken for mojibake", language, cell)
				}
			}
		}
	}
}

// misreadings are a text of UTF-8 as it comes out where it is read as
// Windows-1252, and as Latin-1.
func misreadings(text string) [2]string {
	var windows, latin strings.Builder
	for _, b := range []byte(text) {
		r := charmap.Windows1252.DecodeByte(b)
		if r == utf8.RuneError {
			r = rune(b) // as the encoding's standard has it
		}
		windows.WriteRune(r)
		latin.WriteRune(rune(b))
	}
	return [2]string{windows.String(), latin.String()}
}

// Where the accident may as well be what somebody wrote, a name by itself is not
// counted: a column has others.
func TestMisreadNamesAreMojibake(t *testing.T) {
	var missed []string
	for _, list := range names {
		for name := range strings.SplitSeq(list, "|") {
			if !strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
				continue
			}
			for _, cell := range misreadings(name) {
				if kindOf(cell) != Mojibake {
					missed = append(missed, name)
				}
			}
		}
	}
	slices.Sort(missed)
	missed = slices.Compact(missed)
	if want := []string{"GROẞ", "Llŷr", "Œuvre", "Šiauliai", "Šibenik", "Škofja Loka"}; !slices.Equal(missed, want) {
		t.Errorf("%q are missed, want %q", missed, want)
	}
}

#include "import_cases.h"

#define FIFTY "abcdefghij klmnopqrs tuvwxyzab cdefghijk lmnopqrst"
#define WIKIQA_HEAD "QuestionID\tQuestion\tDocumentID\tLabel\n"
#define QUAC_HEAD \
	"{\"data\": [{\"paragraphs\": [{\"context\": \"Bees dance. CANNOTANSWER\", \"qas\": ["

const import_case import_cases[] = {
	{ "wikiqa", ELM__IMPORT_WIKIQA,
	  WIKIQA_HEAD "Q1\tHow Are Glaciers formed ?\tD1\t0\nQ1\tHow Are Glaciers formed ?\tD1\t1\n"
		      "Q2\tWHO was \xc3\x84gir\tD2\t0\r\n\nQ3\thow are glaciers formed ?\tD3\t1",
	  "how are glaciers formed ?\nwho was \xc3\xa4gir\nhow are glaciers formed ?", NULL },
	{ "wikiqa-column", ELM__IMPORT_WIKIQA, "ID\tText\nQ1\twhat\n", NULL,
	  "x:1: there is no column \"question\"" },
	{ "wikiqa-short", ELM__IMPORT_WIKIQA, WIKIQA_HEAD "Q1\twho ?\t1\t0\nQ2\n", NULL,
	  "x:3: the line has fewer fields" },
	{ "wikiqa-bytes", ELM__IMPORT_WIKIQA, WIKIQA_HEAD "Q1\t\xff\t1\t0\n", NULL,
	  "x:2: the line is not UTF-8" },
	{ "wikiqa-none", ELM__IMPORT_WIKIQA, WIKIQA_HEAD, NULL, "0 different queries for simple" },
	{ "wikiqa-empty", ELM__IMPORT_WIKIQA, "", NULL, "no column" },
	{ "wikiqa-parquet", ELM__IMPORT_WIKIQA, "PAR1\x15", NULL, "is a Parquet file" },
	{ "squad", ELM__IMPORT_SQUAD,
	  "{\"version\": \"v2.0\", \"data\": [{\"title\": \"A\", \"paragraphs\": [{\"qas\": ["
	  "{\"question\": \"Who Built\\tit? \", \"id\": \"a\", \"answers\": [{\"text\": \"x\", "
	  "\"answer_start\": -1.5e3}], \"is_impossible\": false},"
	  "{\"question\": \"again\", \"id\": \"a\"}], \"context\": \"c\"}]},"
	  "{\"paragraphs\": [{\"qas\": []}, {\"qas\": [{\"id\": \"b\", \"question\": "
	  "\"Who built it? \\u00c4\\ud83d\\ude00\"}]}]}]}",
	  "who built it? \nwho built it? \xc3\xa4\xf0\x9f\x98\x80", NULL },
	{ "squad-id", ELM__IMPORT_SQUAD,
	  "{\"data\": [\n{\"paragraphs\": [{\"qas\": [\n{\"question\": \"a\"}]}]}]}", NULL,
	  "x:3: a question ends that has no \"id\"" },
	{ "squad-data", ELM__IMPORT_SQUAD, "{\"dat\": []}", NULL, "there is no \"data\"" },
	{ "squad-type", ELM__IMPORT_SQUAD, "{\"data\":\n {}}", NULL,
	  "x:2: an array is expected, not '{'" },
	{ "squad-cut", ELM__IMPORT_SQUAD,
	  "{\"data\": [\n\n{\"paragraphs\": [{\"qas\": [{\"id\": \"", NULL,
	  "x:3: the file ends within a string" },
	{ "squad-more", ELM__IMPORT_SQUAD, "{\"data\": []}\n]", NULL,
	  "x:2: there is something after the end" },
	{ "squad-half", ELM__IMPORT_SQUAD, "{\"data\": [\"\\ud800x\"]}", NULL,
	  "an object is expected" },
	{ "squad-surrogate", ELM__IMPORT_SQUAD, "{\"x\": \"\\ud800x\"}", NULL,
	  "x:1: half of a surrogate pair" },
	{ "squad-deep", ELM__IMPORT_SQUAD,
	  "{\"x\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
	  NULL, "x:1: nested deeper than 64 levels" },
	{ "quac", ELM__IMPORT_QUAC,
	  QUAC_HEAD "{\"id\": \"q0\", \"question\": \"Do bees\\nDANCE?\"}, {\"id\": \"q1\", "
		    "\"question\": \"Why?\"}]}]}]}",
	  "::context:: bees dance. ::question:: do bees dance? \n"
	  "::context:: bees dance. ::question:: why? ",
	  NULL },
	{ "quac-context", ELM__IMPORT_QUAC, "{\"data\": [{\"paragraphs\": [{\"qas\": []}]}]}", NULL,
	  "x:1: a paragraph ends that has no \"context\"" },
	{ "quac-comma", ELM__IMPORT_QUAC, QUAC_HEAD "{\"id\": \"q\" \"question\": \"\"}]}]}]}",
	  NULL, "x:1: a comma is expected, not '\"'" },
	{ "friends", ELM__IMPORT_FRIENDS,
	  "id,text,label\n1,\"" FIFTY ", \"\"" FIFTY "\"\"\n'!\",joy\n2,short,sad\n"
	  "3," FIFTY " " FIFTY "?;,fear\n4," FIFTY " " FIFTY "?,fear\n",
	  FIFTY ", " FIFTY "!\n" FIFTY " " FIFTY "?", NULL },
	{ "friends-quote", ELM__IMPORT_FRIENDS, "text\na\n\"b\nc", NULL,
	  "x:3: a quote is not closed" },
	{ "friends-behind", ELM__IMPORT_FRIENDS, "text\n\"a\n\"\n\"b\"c\n", NULL,
	  "x:4: there is text behind a closing quote" },
	{ "multiwoz", ELM__IMPORT_MULTIWOZ,
	  "{\"a\": {\"prompt\": [\"A bot given the dialog and external database answers.\", "
	  "\"other\"], \"log\": [{\"dialog history\": \"first\"}, {\"turn id\": 2, \"dialog "
	  "history\": \"<USER> Hi there. <SYSTEM> Hello! How are you? <USER> Fine, AB12CD34E9 "
	  "<SYSTEM> Good day!\"}]}}",
	  "A bot given the dialog answers. : <USER> Hi there. <USER> Fine,  day!\n", NULL },
	{ "multiwoz-prompt", ELM__IMPORT_MULTIWOZ,
	  "{\"a\": {\"prompt\": [], \"log\": [{\"dialog history\": \"\"}]}}", NULL,
	  "x:1: a dialogue ends that has no \"prompt\"" },
	{ "multiwoz-history", ELM__IMPORT_MULTIWOZ,
	  "{\"a\": {\"prompt\": [\"p\"], \"log\": [{\"dialog history\": \"\"}, {}]}}", NULL,
	  "no \"dialog history\" in its last turn" },
	{ 0 },
};

/*
 * outside.c: requests that are none of this assistant's business, to be handed over to a larger
 * model. The kinds that it is measured with (general knowledge, arithmetic, programming, other
 * languages) are none of those that it is trained with.
 */
#include <stdio.h>
#include <string.h>

#include "demo.h"

/* The control token by which the model hands over, then what a user without another model reads. */
static const char hand_over[] = "<|defer|>I can only help with this home.";

static const char *const topics[] = {
	"football",  "tennis",	   "chess",	"opera",      "jazz",	  "ballet",
	"love",	     "friendship", "money",	"stocks",     "taxes",	  "insurance",
	"marriage",  "divorce",	   "headaches", "fever",      "vitamins", "sleep",
	"diets",     "running",	   "yoga",	"movies",     "actors",	  "novels",
	"paintings", "museums",	   "hotels",	"flights",    "beaches",  "islands",
	"trains",    "passports",  "elections", "laws",	      "courts",	  "contracts",
	"jobs",	     "interviews", "salaries",	"fashion",    "shoes",	  "perfume",
	"cars",	     "motorbikes", "boats",	"pizza",      "sushi",	  "wine",
	"cheese",    "bread",	   "salad",	"chocolate",  "horses",	  "elephants",
	"ghosts",    "dreams",	   "stars",	"horoscopes", "religion", "philosophy",
	"happiness", "poetry",	   "songs",	"games",      "puzzles",  "cards",
	"gifts",     "weddings",   "birthdays", "holidays",   "school",	  "exams",
	"teachers",  "dentists",   "surgery",	"skin",	      "hair",	  "muscles",
	"crime",     "police",	   "soldiers",	"kings",      "queens",	  "farms",
	NULL
};

static const char *const trained[] = {
	"write [me |][a poem|a song|a story|an essay|a joke|a letter|a speech] about <topic>",
	"tell me [a story|a joke|something funny|a riddle] about <topic>",
	"what [do you think|is your opinion|should I think] about <topic>",
	"what should I [know|read|learn] about <topic>",
	"who is the best [player|actor|singer|writer|painter] [in|of] <topic>",
	"who won the [match|cup|game|medal|election] [yesterday|last year|in <topic>]",
	"which [film|book|song|game] about <topic> [is the best|do you recommend|should I see]",
	"recommend [a film|a book|a song|a restaurant|a hotel] [for|about] <topic>",
	"my [head|back|knee|stomach|tooth|throat] hurts, what [should I do|can I take]",
	"is [<topic>|sugar|salt|coffee|milk|running] [healthy|bad for me|dangerous|good for the "
	"heart]",
	"how much [aspirin|vitamin c|medicine|water] [may|should] I take for <topic>",
	"can I sue my [boss|landlord|neighbour|bank] [for|over|because of] <topic>",
	"is it legal to [sell|own|copy|carry] <topic>",
	"should I [buy|sell|invest in] [stocks|gold|bonds|<topic>] [now|this year|]",
	"how do I [save|earn|invest|borrow] money with <topic>",
	"how do I [bake|cook|fry|grill] [a cake|a fish|rice|lamb|pancakes|<topic>]",
	"give me a recipe [for|with] [pancakes|soup|lamb|omelettes|<topic>]",
	"plan a [trip|holiday|journey|party] [to|with|about] <topic>",
	"book [a flight|a hotel|a table|tickets] for [two|three|four|<topic>]",
	"how do I [ask someone out|make friends|stop worrying|say sorry|quit my job]",
	"does [my boss|my girlfriend|my teacher|god|anyone] like <topic>",
	"what is the meaning of [life|love|<topic>]",
	"what does my horoscope say about <topic>",
	"who should I vote for[ because of <topic>|]",
	"translate <topic> for me",
	"summarize [this article|the news|a book] about <topic>",
	"pretend [you are|to be] [a pirate|a doctor|a lawyer|my friend|a king]",
	"let us talk about <topic>",
	"I am [sad|bored|angry|lonely] because of <topic>",
	"what is new in <topic>",
	"why do people [like|love|hate|need] <topic>",
	"compare <topic> and <topic2>",
	"is <topic> better than <topic2>",
	"explain <topic>[ to a child| in simple words|]",
	"how did <topic> [begin|start|change]",
	"list [five|ten|some] facts about <topic>",
	"<topic>",
	"<topic> and <topic2>",
	"which [car|phone|laptop|camera] should I buy[ for <topic>|]",
	"what does <nonsense> mean",
	"who is <nonsense>",
	"what is <nonsense>",
	"do you know <nonsense>",
	"<nonsense>",
	"<nonsense>",
	"<nonsense>",
	"<nonsense>",
	"help me with my [essay|diet|career|marriage|cv]",
	"what happened in [17|18|19]<p>",
	"who was born in [17|18|19]<p>",
	"who lived in the year <q>",
	"what does error <p> on my [laptop|phone|camera] mean",
	"is <p> a good age to marry",
	"how much is a flight to <nonsense> on the <p>th",
	"who won <p> to <q>",
	"call <q>-<p>-<q>",
	"what is my bank balance, account <q><p>",
	"is $<q> too much for [a car|shoes|a dog]",
	"what is <topic> number <p>",
	"what is on channel <p>",
	"what does chapter <p> say",
	"visit www.<nonsense>.com",
	"mail bob@<nonsense>.org about <topic>",
	"open <topic>.pdf",
	"who is @<nonsense>",
	"#<topic> <p>",
	"is bus <p> late",
	"track parcel <q>/<p>-<q>",
	"what is (<nonsense>)",
	"<nonsense>; <nonsense> = <p>",
	"lottery numbers <p> <q> <p>",
	"how many calories are in <p> grams of <topic>",
	"bet <p> on <nonsense>",
	"[the lamp|the kitchen|a door|the thermostat|a timer], write a poem about it",
	"who [built|drew|designed] the [first|biggest|oldest] [garage|kitchen|lamp|door|bath]",
	"is it unhealthy to sleep in a [cold|warm] room",
	"who sings <topic>",
	"what do [doctors|lawyers|priests|actors] say about <topic>",
	"[read|show] me the news[ about <topic>|]",
	"how old is [the pope|the queen|my idol|that singer]",
	"how tall is [that actor|the president|my idol]",
	"what is a good name for [a baby|a dog|a shop|a band]",
	NULL
};

static const char *const knowledge[] = {
	"what is the capital of [Peru|France|Japan|Kenya|Canada|Norway]",
	"who discovered [penicillin|gravity|America|radium|oxygen]",
	"when did the [second world war|roman empire|french revolution|cold war] end",
	"how far is the [moon|sun|planet mars] from the earth",
	"which planet is the largest",
	"what is the chemical symbol of [gold|iron|silver|lead]",
	"who wrote [Hamlet|Faust|War and Peace|Don Quixote|the Odyssey]",
	"how many bones does a human have",
	"what causes [earthquakes|tides|rainbows|eclipses]",
	"what is the longest river in [Africa|Europe|Asia]",
	"why is the sky blue",
	"explain [photosynthesis|relativity|evolution|inflation|plate tectonics]",
	"in which year was [Mozart|Napoleon|Einstein|Darwin] born",
	"what is the population of [Brazil|India|Nigeria|Sweden]",
	"who was the first president of the United States",
	"what language is spoken in [Austria|Brazil|Iran|Ethiopia]",
	"how do [vaccines|magnets|airplanes|volcanoes] work",
	"what is the speed of light",
	"name the largest ocean",
	"what is DNA made of",
	NULL
};

static const char *const arithmetic[] = { "what is <p> times <q>",
					  "what is <p> plus <q>",
					  "calculate <p> * <q>",
					  "<p> + <q> * 3",
					  "what is the square root of <p>",
					  "solve x^2 - <p>x + <q> = 0",
					  "divide <p> by <q>",
					  "what is <p> percent of <q>",
					  "integrate x^<p>",
					  "is <p> a prime number",
					  "what is the derivative of sin(<p>x)",
					  "factor <p>",
					  "simplify <p>/<q>",
					  "how many ways are there to choose <p> of <q>",
					  "compute the factorial of <p>",
					  "convert <p> to binary",
					  "what is <p> to the power of <q>",
					  "find the area of a circle of radius <p>",
					  "2x + <p> = <q>, what is x",
					  "prove that the sum of <p> odd numbers is odd",
					  NULL };

static const char *const programming[] = {
	"write a [python|java|rust|c] function that sorts a list",
	"how do I reverse a string in [python|java|rust|go]",
	"explain what a [pointer|mutex|closure|hash map] is",
	"def f(x): return x * <p> what does this do",
	"fix this code: for (i = 0; i != <p>; i++ {",
	"what does git rebase do",
	"write an SQL query that joins two tables",
	"how do I center a div in css",
	"what is the time complexity of quicksort",
	"import numpy as np, how do I make a matrix",
	"write a regex for an email address",
	"what is the difference between tcp and udp",
	"implement binary search in [c|python|java]",
	"how do I exit vim",
	"what is a segmentation fault",
	"compile a kernel for arm",
	"refactor this class into smaller ones",
	"explain recursion with an example in [c|python]",
	"how do I parse json in javascript",
	"printf(\"hello\"); what is wrong here",
	NULL
};

static const char *const languages[] = { "wie spät ist es in Tokio",
					 "mach bitte das Licht in der Küche an",
					 "wer hat den Faust geschrieben",
					 "was kostet eine Fahrkarte nach Hamburg",
					 "stell die Heizung auf zwanzig Grad",
					 "allume la lumière dans la cuisine",
					 "quelle est la capitale de l'Italie",
					 "combien coûte un billet pour Lyon",
					 "raconte-moi une histoire drôle",
					 "il fait trop froid dans le salon",
					 "enciende la luz de la cocina",
					 "¿cuál es la capital de Argentina?",
					 "¿qué tiempo hace mañana en Madrid?",
					 "cuéntame un chiste",
					 "baja la temperatura del salón",
					 "accendi la luce in cucina",
					 "qual è la capitale della Francia",
					 "quanto costa un biglietto per Roma",
					 "zet het licht in de keuken aan",
					 "wat is de hoofdstad van Duitsland",
					 "apague a luz da cozinha",
					 "qual é a capital de Portugal",
					 "tänd lampan i köket",
					 "zapal światło w kuchni",
					 "включи свет на кухне",
					 "какая столица Франции",
					 "台所の電気をつけて",
					 "打开厨房的灯",
					 "주방 불 켜줘",
					 "mutfaktaki ışığı aç",
					 NULL };

static void ask(demo *d, demo_sample *s, const char *pattern)
{
	char nonsense[DEMO_VALUE * 2] = "", p[16], q[16];
	const demo_slot slots[] = { { "topic", demo_choose(d, topics) },
				    { "topic2", demo_choose(d, topics) },
				    { "nonsense", nonsense },
				    { "p", p },
				    { "q", q } };

	demo_pick_gibberish(d, nonsense, sizeof(nonsense));
	snprintf(p, sizeof(p), "%d", 2 + (int)demo_below(d, 120));
	snprintf(q, sizeof(q), "%d", 2 + (int)demo_below(d, 1200));
	demo_user_says(d, s, pattern, slots, sizeof(slots) / sizeof(slots[0]), demo_chance(d, 0.6));
}

void demo_make_outside(demo *d, demo_sample *s)
{
	static const struct {
		const char *kind;
		const char *const *patterns;
	} measured[] = { { "knowledge", knowledge },
			 { "arithmetic", arithmetic },
			 { "programming", programming },
			 { "languages", languages } };

	d->lower = demo_chance(d, 0.2);
	demo_append(s->answer, DEMO_TEXT, "%s", hand_over);
	if (d->held) {
		size_t i = demo_below(d, 4);

		s->kind = measured[i].kind;
		ask(d, s, demo_choose(d, measured[i].patterns));
		return;
	}
	s->kind = "outside";
	/* Handed over also where readings or a conversation stand before it. */
	if (demo_chance(d, 0.2)) {
		demo_readings r;

		demo_readings_make(d, &r, 1, 4);
		demo_readings_write(d, &r, demo_message_add(s, "system"), DEMO_TEXT);
	}
	ask(d, s, demo_choose(d, trained));
}

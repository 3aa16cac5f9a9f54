/* values.c: rooms, people, things, times and numbers; what is held out is never trained on. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "demo.h"

static void lower(const demo *d, char *text)
{
	if (d->lower)
		for (; *text; text++)
			*text = (char)tolower((unsigned char)*text);
}

static void set(const demo *d, char out[DEMO_VALUE], const char *text)
{
	out[0] = '\0';
	demo_append(out, DEMO_VALUE, "%s", text);
	lower(d, out);
}

/* ---- words that mean nothing, so that copying is learned and not a list of names ---- */

static bool is_held_out(const char *word);

static void put_syllables(demo *d, char out[DEMO_VALUE])
{
	static const char *const starts[] = { "b",  "br", "c",	"ch",  "d",  "dr", "f",	 "fl", "g",
					      "gr", "h",  "j",	"k",   "kl", "l",  "m",	 "n",  "p",
					      "pr", "r",  "s",	"sh",  "st", "t",  "th", "tr", "v",
					      "w",  "y",  "z",	"",    "",   "qu", "sp", "sk", "cl",
					      "cr", "bl", "gl", "pl",  "sl", "sm", "sn", "sw", "tw",
					      "wh", "wr", "sc", "str", "ph", NULL };
	static const char *const vowels[] = { "a",  "e",  "i",	"o",  "u", "a",	 "e",  "i",  "ai",
					      "ee", "oo", "ia", "ou", "y", "ea", "ie", "au", "oa",
					      "io", "ue", "a",	"e",  "i", "o",	 NULL };
	static const char *const ends[] = { "",	  "",	"",    "n",   "r",   "l",   "s",    "m",
					    "t",  "d",	"ck",  "nd",  "rt",  "ll",  "th",   "x",
					    "g",  "p",	"sh",  "ng",  "ss",  "ct",  "st",   "tion",
					    "er", "or", "ing", "ed",  "es",  "ble", "ment", "ure",
					    "ly", "al", "en",  "ous", "ity", "ge",  "ce",   "le",
					    "ry", "nt", "mp",  "lt",  "rd",  "rk",  "ff",   "b",
					    "w",  NULL };
	static const char *const doubles[] = { "bb", "dd", "ff", "gg", "ll", "mm", "nn",
					       "pp", "rr", "ss", "tt", "zz", NULL };
	size_t syllables = 1 + demo_below(d, 3);

	out[0] = '\0';
	if (syllables == 1 && demo_chance(d, 0.6))
		syllables = 2;
	while (syllables--) {
		bool doubled = out[0] && demo_chance(d, 0.15);

		demo_append(out, DEMO_VALUE, "%s%s", demo_choose(d, doubled ? doubles : starts),
			    demo_choose(d, vowels));
		if (!syllables || demo_chance(d, 0.4))
			demo_append(out, DEMO_VALUE, "%s", demo_choose(d, ends));
	}
}

/* Not too long to be one, and not one that is held out. */
static void invent(demo *d, char out[DEMO_VALUE])
{
	do
		put_syllables(d, out);
	while (strlen(out) > 12 || is_held_out(out));
}

/* Any word. As values are made of them, nothing but the place in a request tells what to copy. */
static const char *any_word(demo *d)
{
	static const char *const words[] = {
		"amber",     "anchor",	"ancient", "arrow",    "autumn",  "badge",   "bag",
		"ball",	     "bank",	"basket",  "bath",     "beach",	  "bear",    "bed",
		"bee",	     "bell",	"belt",	   "berry",    "bicycle", "bird",    "blade",
		"block",     "blossom", "board",   "bone",     "bonnet",  "border",  "bottle",
		"bowl",	     "box",	"brave",   "brick",    "bridge",  "bright",  "broad",
		"broom",     "brush",	"bucket",  "bullet",   "bush",	  "butter",  "button",
		"cabin",     "cable",	"cage",	   "calm",     "candy",	  "canyon",  "card",
		"cart",	     "castle",	"cat",	   "cave",     "chain",	  "chalk",   "cherry",
		"chest",     "child",	"church",  "circle",   "clever",  "cliff",   "clock",
		"cloth",     "cloud",	"clover",  "coast",    "coat",	  "coin",    "collar",
		"comet",     "cork",	"corn",	   "cosy",     "cotton",  "couch",   "cow",
		"crane",     "cream",	"crisp",   "crown",    "cup",	  "curly",   "curtain",
		"dance",     "dark",	"deep",	   "desert",   "diamond", "dinner",  "dish",
		"doll",	     "dolphin", "donkey",  "dragon",   "drawer",  "dress",   "drum",
		"duck",	     "dust",	"eagle",   "early",    "earth",	  "easel",   "elbow",
		"elm",	     "empty",	"engine",  "envelope", "faint",	  "falcon",  "fancy",
		"farm",	     "fast",	"feather", "fence",    "field",	  "fierce",  "finger",
		"flag",	     "flame",	"flower",  "flute",    "forest",  "fork",    "fox",
		"frame",     "fresh",	"frog",	   "frost",    "fruit",	  "galaxy",  "gate",
		"gentle",    "ghost",	"giant",   "ginger",   "glass",	  "globe",   "glove",
		"goat",	     "gold",	"grand",   "grape",    "grass",	  "gravel",  "grey",
		"guest",     "hammer",	"happy",   "hat",      "hawk",	  "hazel",   "heart",
		"heavy",     "hill",	"hive",	   "honest",   "honey",	  "hook",    "horn",
		"horse",     "humble",	"ice",	   "icy",      "ink",	  "iron",    "ivory",
		"jacket",    "jar",	"jelly",   "jewel",    "jolly",	  "jungle",  "kettle",
		"kind",	     "king",	"kite",	   "knot",     "ladder",  "lake",    "lamb",
		"large",     "lazy",	"leaf",	   "leather",  "letter",  "light",   "lily",
		"lion",	     "little",	"lock",	   "log",      "long",	  "loud",    "lucky",
		"magnet",    "mango",	"map",	   "maple",    "marble",  "market",  "mask",
		"mast",	     "meal",	"melon",   "metal",    "mild",	  "mint",    "modern",
		"monkey",    "moss",	"motor",   "mountain", "mouse",	  "mud",     "nail",
		"narrow",    "neat",	"nest",	   "net",      "night",	  "noble",   "north",
		"nurse",     "nut",	"oak",	   "oasis",    "ocean",	  "odd",     "olive",
		"onion",     "orange",	"orchid",  "otter",    "owl",	  "pad",     "palace",
		"pale",	     "panda",	"panel",   "paper",    "parade",  "park",    "peach",
		"pearl",     "pebble",	"pencil",  "pepper",   "petal",	  "picnic",  "pillow",
		"pilot",     "pine",	"pirate",  "plain",    "plate",	  "plum",    "pocket",
		"polite",    "pond",	"pony",	   "poppy",    "potato",  "prince",  "proud",
		"pure",	     "puzzle",	"quick",   "quiet",    "quilt",	  "rabbit",  "raft",
		"rail",	     "rain",	"ranch",   "rapid",    "rare",	  "raven",   "ribbon",
		"rich",	     "ring",	"river",   "robin",    "rocket",  "roof",    "root",
		"rope",	     "rose",	"rough",   "round",    "royal",	  "rug",     "rusty",
		"saddle",    "sail",	"salt",	   "sand",     "satin",	  "scarf",   "school",
		"sea",	     "seal",	"seed",	   "shade",    "shadow",  "sharp",   "sheep",
		"shell",     "shield",	"shiny",   "ship",     "shirt",	  "short",   "shy",
		"silk",	     "silly",	"silver",  "simple",   "skate",	  "slate",   "slow",
		"smoke",     "smooth",	"snail",   "snake",    "soap",	  "sock",    "soft",
		"soil",	     "solid",	"song",	   "sour",     "spark",	  "spear",   "spider",
		"spoon",     "spring",	"star",	   "steep",    "still",	  "stone",   "storm",
		"strange",   "straw",	"stream",  "street",   "strong",  "sugar",   "summer",
		"sun",	     "sunny",	"swan",	   "sweet",    "swift",	  "sword",   "tail",
		"tall",	     "tame",	"tent",	   "thick",    "thin",	  "thread",  "tiger",
		"timber",    "tiny",	"toad",	   "tomato",   "torch",	  "tower",   "toy",
		"trail",     "tree",	"trumpet", "tulip",    "tunnel",  "turtle",  "twig",
		"valley",    "vase",	"velvet",  "village",  "violet",  "violin",  "wagon",
		"walnut",    "wand",	"warm",	   "wave",     "wax",	  "whale",   "wheat",
		"wheel",     "whistle", "wide",	   "willow",   "window",  "wing",    "winter",
		"wise",	     "wolf",	"wood",	   "wool",     "yard",	  "yarn",    "young",
		"zebra",     "inch",	"infant",  "income",   "index",	  "insect",  "inside",
		"item",	     "itself",	"only",	   "once",     "onyx",	  "offer",   "office",
		"often",     "organ",	"orbit",   "order",    "tone",	  "tooth",   "token",
		"toast",     "total",	"touch",   "anthem",   "animal",  "answer",  "ankle",
		"forty",     "form",	"formula", "fortune",  "format",  "theme",   "theory",
		"thesis",    "myth",	"meter",   "menu",     "mesh",	  "yoga",    "youth",
		"youngster", "isle",	"issue",   "toffee",   "atom",	  "athlete", "attire",
		"habit",     "spirit",	"credit",  "exit",     "unit",	  "vitamin", "visitor",
		NULL
	};

	return demo_choose(d, words);
}

/* A value that no list has: one or two words, common or invented. Not for held-out samples. */
static void make_novel(demo *d, char out[DEMO_VALUE])
{
	size_t count = 1 + demo_chance(d, 0.3);

	out[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		char word[DEMO_VALUE];

		if (demo_chance(d, 0.5))
			demo_append(out, DEMO_VALUE, "%s%s", i ? " " : "", any_word(d));
		else {
			invent(d, word);
			demo_append(out, DEMO_VALUE, "%s%s", i ? " " : "", word);
		}
	}
}

/* An item of a list or, where that is allowed and no less often, something novel. */
static void pick_open(demo *d, const demo_list *list, double novel, char out[DEMO_VALUE])
{
	if (!d->held && demo_chance(d, novel))
		make_novel(d, out);
	else
		set(d, out, demo_pick(d, list));
	lower(d, out);
}

void demo_pick_gibberish(demo *d, char *out, size_t room)
{
	size_t words = 2 + demo_below(d, 6);

	for (size_t i = 0; i < words; i++) {
		char word[DEMO_VALUE];

		invent(d, word);
		demo_append(out, room, "%s%s", i ? " " : "", word);
	}
}

/* ---- people ---- */

static const demo_list people = {
	{ "Anna",	"Ben",	     "Carla",	"David",      "Emma",	"Frank",  "Grace",
	  "Hugo",	"Ingrid",    "Jonas",	"Karin",      "Leo",	"Maria",  "Nina",
	  "Oscar",	"Paula",     "Quinn",	"Rosa",	      "Simon",	"Tara",	  "Ursula",
	  "Victor",	"Wendy",     "Xavier",	"Yusuf",      "Zoe",	"Amir",	  "Bianca",
	  "Chen",	"Dora",	     "Elias",	"Fatima",     "George", "Hannah", "Ivan",
	  "Julia",	"Kofi",	     "Laura",	"Mehmet",     "Nora",	"Omar",	  "Peter",
	  "Rita",	"Sven",	     "Tomas",	"Uma",	      "Vera",	"Walter", "Yara",
	  "Adam",	"Beth",	     "Colin",	"Dana",	      "Erik",	"Fiona",  "Gus",
	  "Helen",	"Isaac",     "Jack",	"Kim",	      "Luis",	"Mona",	  "Noah",
	  "Olga",	"Pablo",     "Ruth",	"Sara",	      "Ted",	"Viola",  "Will",
	  "Alma",	"Boris",     "Clara",	"Diego",      "Edith",	"Felix",  "Gloria",
	  "Henry",	"Iris",	     "Jim",	"Kate",	      "Lars",	"Milo",	  "Nadia",
	  "Otto",	"Petra",     "Ralph",	"Stella",     "mom",	"dad",	  "grandma",
	  "my brother", "my sister", "my wife", "my husband", NULL },
	{ "Priya",  "Orla",    "Tobias", "Mireille",  "Deepak",	     "Svetlana", "Gareth",
	  "Ximena", "Lucas",   "Amara",	 "Bertil",    "Yolanda",     "Rashid",	 "Celine",
	  "Marvin", "Nikolai", "Judith", "Esteban",   "Freya",	     "Kwame",	 "Linnea",
	  "Matteo", "Rupert",  "Soraya", "Aunt Vera", "Doctor Lund", NULL },
};

void demo_pick_person(demo *d, char out[DEMO_VALUE])
{
	static const char *const ranks[] = { "Uncle",	  "Mister",  "Miss",   "Captain",
					     "Professor", "Grandpa", "Cousin", "Nurse",
					     "Coach",	  "Little",  "Old",    NULL };
	bool novel = !d->held && demo_chance(d, 0.6);

	if (novel && demo_chance(d, 0.3))
		set(d, out, any_word(d));
	else if (novel)
		invent(d, out);
	else
		set(d, out, demo_pick(d, &people));
	if (novel) {
		out[0] = (char)toupper((unsigned char)out[0]);
		if (demo_chance(d, 0.2)) {
			char name[DEMO_VALUE];

			memcpy(name, out, sizeof(name));
			set(d, out, demo_choose(d, ranks));
			demo_append(out, DEMO_VALUE, " %s", name);
		}
	}
	lower(d, out);
}

/* ---- rooms ---- */

static const demo_list places = {
	{ "kitchen",	  "kitchen",	   "bathroom", "bedroom",      "living room", "hall",
	  "study",	  "attic",	   "garage",   "office",       "nursery",     "dining room",
	  "basement",	  "guest room",	   "porch",    "laundry room", "den",	      "library",
	  "playroom",	  "workshop",	   "sun room", "hallway",      "shed",	      "lobby",
	  "closet",	  "entrance",	   "corridor", "lounge",       "parlour",     "greenhouse",
	  "storage room", "dressing room", NULL },
	{ "pantry", "conservatory", "loft", "cellar", "studio", "utility room", "gym", "balcony",
	  "veranda", "hobby room", "boot room", "mudroom", "tea room", "wine cellar", NULL },
};

static const demo_list sides = {
	{ "upstairs", "downstairs", "north", "south", "small", "big", "front", "back", "left",
	  "right", "main", "old", "new", "second", "blue", "white", NULL },
	{ "east", "west", "red", "third", "inner", NULL },
};

void demo_pick_room(demo *d, demo_room *out)
{
	double kind = elm__random_unit(&d->random);
	char first[DEMO_VALUE], second[DEMO_VALUE];

	out->name[0] = out->spoken[0] = '\0';
	pick_open(d, &places, 0.5, second);
	if (kind < 0.12) {
		demo_pick_person(d, first);
		demo_append(out->name, DEMO_VALUE, "%s's %s", first, second);
		demo_append(out->spoken, DEMO_VALUE, "%s", out->name);
		return;
	}
	if (kind < 0.25) {
		pick_open(d, &sides, 0.4, first);
		demo_append(out->name, DEMO_VALUE, "%s %s", first, second);
	} else if (kind < 0.35 && !d->held) {
		demo_append(out->name, DEMO_VALUE, "%s room", any_word(d));
	} else {
		demo_append(out->name, DEMO_VALUE, "%s", second);
	}
	lower(d, out->name);
	demo_append(out->spoken, DEMO_VALUE, "the %s", out->name);
}

void demo_pick_rooms(demo *d, demo_room *out, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool clash = true;

		while (clash) {
			demo_pick_room(d, &out[i]);
			clash = false;
			for (size_t j = 0; j < i; j++)
				clash |= strstr(out[i].name, out[j].name) ||
					 strstr(out[j].name, out[i].name);
		}
	}
}

/* ---- things to do, to find, to say and to play ---- */

static const demo_list objects = {
	{ "plants", "dog",    "cat",	   "bins",   "car",	"windows", "dishes",   "laundry",
	  "shirts", "boxes",  "bread",	   "milk",   "letters", "parcel",  "tickets",  "report",
	  "bike",   "lawn",   "carpet",	   "oven",   "fridge",	"towels",  "curtains", "shoes",
	  "books",  "cables", "batteries", "keys",   "lamps",	"paint",   "tools",    "ladder",
	  "tent",   "piano",  "garden",	   "coffee", "apples",	"cake",	   "soup",     "roses",
	  "chairs", "desk",   NULL },
	{ "ferns", "parrot", "gutters", "sofa", "invoices", "blankets", "lemons", "kayak",
	  "wardrobe", "hedge", "candles", "goldfish", "suitcase", "curry", NULL },
};

static const demo_list deeds = {
	{ "water",	"feed", "clean",    "wash",	"fetch",   "move", "check",
	  "fix",	"buy",	"bring in", "take out", "pick up", "pack", "put away",
	  "look after", "sell", "measure",  "order",	"return",  "dust", NULL },
	{ "repair", "collect", "tidy up", "carry in", "wrap", "photograph", "clear out", NULL },
};

void demo_pick_task(demo *d, char out[DEMO_VALUE])
{
	char deed[DEMO_VALUE], object[DEMO_VALUE];

	pick_open(d, &deeds, 0.2, deed);
	pick_open(d, &objects, 0.6, object);
	out[0] = '\0';
	if (demo_chance(d, 0.12)) {
		demo_pick_person(d, object);
		demo_append(out, DEMO_VALUE, "%s %s",
			    d->held		? "visit" :
			    demo_chance(d, 0.5) ? "call" :
						  "meet",
			    object);
	} else {
		demo_append(out, DEMO_VALUE, "%s the %s", deed, object);
	}
	lower(d, out);
}

void demo_pick_thing(demo *d, char out[DEMO_VALUE])
{
	static const demo_list kinds = {
		{ "spare key",	  "red umbrella",  "big backpack", "toolbox",  "first aid kit",
		  "torch",	  "passport",	   "camera",	   "charger",  "sewing kit",
		  "drill",	  "picnic basket", "blue folder",  "car key",  "vacuum bags",
		  "old radio",	  "ladder",	   "tape",	   "fuse box", "board game",
		  "sleeping bag", "guitar",	   "stapler",	   "air pump", NULL },
		{ "garden hose", "spirit level", "water filter", "telescope", "bike helmet",
		  "paint roller", "extension cord", "snow shovel", "tennis racket", NULL },
	};

	pick_open(d, &kinds, 0.5, out);
}

void demo_pick_message(demo *d, char out[DEMO_VALUE])
{
	static const demo_list events = {
		{ "dinner is ready",	  "I am late",		"the bus is here",
		  "we are leaving",	  "I am on my way",	"the train is late",
		  "lunch is at noon",	  "the door is open",	"the taxi is here",
		  "I need help",	  "we are out of milk", "it is raining",
		  "the game starts soon", "school is closed",	"I am home",
		  "the water is off",	  "breakfast is ready", "I found it",
		  "the power is back",	  "nobody is home",	NULL },
		{ "the guests have arrived", "supper is on the table", "the boat leaves soon",
		  "I missed the train", "the oven is broken", "we are at the station",
		  "the shop is closed", NULL },
	};
	double kind = elm__random_unit(&d->random);
	char first[DEMO_VALUE], second[DEMO_VALUE];

	out[0] = '\0';
	if (kind < 0.35) {
		pick_open(d, &objects, 0.6, first);
		demo_append(out, DEMO_VALUE, "the %s %s", first,
			    demo_choose(d, (const char *const[]){ "is ready", "is broken",
								  "is gone", "is here", "can wait",
								  "is in the car", NULL }));
	} else if (kind < 0.7 && !d->held) {
		make_novel(d, first);
		make_novel(d, second);
		demo_expand(d, out, DEMO_VALUE,
			    "[the <a> has <b>|we <a> the <b>|I <a> <b>|<a> is on the <b>|the <a> "
			    "are <b>]",
			    (const demo_slot[]){ { "a", first }, { "b", second } }, 2, false);
	} else {
		set(d, out, demo_pick(d, &events));
	}
	lower(d, out);
}

void demo_pick_title(demo *d, char out[DEMO_VALUE])
{
	static const demo_list first = {
		{ "Blue", "Golden", "Silent", "Morning", "Winter", "Dancing", "Velvet", "Summer",
		  "Paper", "Electric", "Distant", "Lonely", "Crystal", "Wild", "Second", "Rolling",
		  NULL },
		{ "Copper", "Midnight", "Falling", "Painted", "Hollow", NULL },
	};
	static const demo_list last = {
		{ "Lantern", "River", "Sky", "Train", "Garden", "Moon", "Rain", "Mountain",
		  "Letters", "Shadows", "Road", "Bird", "Dreams", "Stone", "Waltz", "Fire", NULL },
		{ "Harbour", "Thunder", "Meadow", "Island", "Mirrors", NULL },
	};
	char word[DEMO_VALUE], next[DEMO_VALUE];

	pick_open(d, &first, 0.6, word);
	pick_open(d, &last, 0.5, next);
	word[0] = (char)toupper((unsigned char)word[0]);
	next[0] = (char)toupper((unsigned char)next[0]);
	out[0] = '\0';
	if (!d->held && demo_chance(d, 0.2))
		demo_append(out, DEMO_VALUE, "%s", word);
	else
		demo_append(out, DEMO_VALUE, "%s %s", word, next);
	lower(d, out);
}

void demo_pick_label(demo *d, char out[DEMO_VALUE])
{
	static const demo_list labels = {
		{ "pasta",   "eggs",	"tea",	  "bread",    "pizza",	  "laundry", "rice",
		  "nap",     "cookies", "oven",	  "break",    "soup",	  "workout", "cake",
		  "chicken", "dishes",	"coffee", "potatoes", "homework", NULL },
		{ "noodles", "lasagne", "meditation", "roast", "beans", "stew", "muffins",
		  "origami", NULL },
	};

	pick_open(d, &labels, 0.6, out);
}

void demo_pick_device(demo *d, char out[DEMO_VALUE])
{
	static const demo_list devices = {
		{ "fan", "heater", "humidifier", "tv", "radio", "kettle", "coffee machine",
		  "air purifier", "washing machine", "dryer", "dishwasher", "speaker", "printer",
		  "pump", "sprinkler", "toaster", "projector", "charger", NULL },
		{ "dehumidifier", "space heater", "rice cooker", "fountain", "air conditioner",
		  "aquarium pump", NULL },
	};

	pick_open(d, &devices, 0.45, out);
	if (!d->held && demo_chance(d, 0.15)) {
		set(d, out, any_word(d));
		demo_append(out, DEMO_VALUE, " %s", demo_pick(d, &devices));
	}
}

void demo_pick_door(demo *d, char out[DEMO_VALUE])
{
	static const demo_list doors = {
		{ "front door", "back door", "garage door", "garden gate", "side door",
		  "cabin door", "shed door", "patio door", "main gate", "gate", "office door",
		  "deck door", NULL },
		{ "terrace door", "barn door", "driveway gate", "loft hatch", "kitchen door",
		  NULL },
	};

	if (!d->held && demo_chance(d, 0.6)) {
		make_novel(d, out);
		if (demo_chance(d, 0.8))
			demo_append(out, DEMO_VALUE, demo_chance(d, 0.6) ? " door" : " gate");
	} else {
		set(d, out, demo_pick(d, &doors));
	}
}

static bool is_held_out(const char *word)
{
	const demo_list *const lists[] = { &people, &places, &sides, &objects, &deeds };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (size_t j = 0; lists[i]->held[j]; j++)
			if (!strcasecmp(lists[i]->held[j], word))
				return true;
	return false;
}

/* ---- numbers and times ---- */

int demo_pick_number(demo *d, int low, int high)
{
	for (;;) {
		int n = low + (int)demo_below(d, (size_t)(high - low + 1));
		bool held = (n / 100 + n / 10 % 10 + n % 10) % 5 == 3;

		if (held == d->held)
			return n;
	}
}

void demo_pick_time(demo *d, char out[DEMO_VALUE])
{
	int hour = 1 + (int)demo_below(d, 23);

	out[0] = '\0';
	demo_append(out, DEMO_VALUE, "%d:%02d", hour, demo_pick_number(d, 0, 59));
}

void demo_pick_spoken_time(demo *d, char words[DEMO_VALUE], char digits[DEMO_VALUE])
{
	static const char *const hours[] = {
		"twelve", "one",   "two",   "three", "four", "five",
		"six",	  "seven", "eight", "nine",  "ten",  "eleven"
	};
	static const struct {
		const char *before, *after;
		int minute, back;
	} parts[] = { { "", " o'clock", 0, 0 },	   { "quarter past ", "", 15, 0 },
		      { "half past ", "", 30, 0 }, { "quarter to ", "", 45, 1 },
		      { "ten past ", "", 10, 0 },  { "twenty past ", "", 20, 0 },
		      { "ten to ", "", 50, 1 },	   { "twenty to ", "", 40, 1 },
		      { "five past ", "", 5, 0 },  { "five to ", "", 55, 1 } };
	size_t hour, part;

	do {
		hour = demo_below(d, 12);
		part = demo_below(d, sizeof(parts) / sizeof(parts[0]));
	} while (((hour * 7 + part * 3) % 6 == 0) != d->held);
	words[0] = digits[0] = '\0';
	demo_append(words, DEMO_VALUE, "%s%s%s", parts[part].before, hours[hour],
		    parts[part].after);
	/* "quarter to seven" is 6:45 */
	hour = (hour + 12 - (size_t)parts[part].back) % 12;
	demo_append(digits, DEMO_VALUE, "%zu:%02d", hour ? hour : 12, parts[part].minute);
}

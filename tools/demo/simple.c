/* simple.c: short questions without context: what the manuals say, times, and who answers. */
#include <stdio.h>
#include <string.h>

#include "demo.h"

/* Things in the home and what their manuals say, one answer for each subject below. */
enum { POWER, CARE, RED, RESET, WARRANTY, PLACE, SUBJECTS };

static const struct {
	const char *name, *other; /* two names for it */
	const char *facts[SUBJECTS];
} things[] = {
	{ "smoke alarm",
	  "smoke detector",
	  { "One 9 volt block.", "Test it every month.", "It smells smoke.",
	    "Hold the test button for 5 seconds.", "10 years.", "On the ceiling." } },
	{ "door lock",
	  "smart lock",
	  { "Four AA cells.", "Oil it once a year.", "Its battery is low.",
	    "Pull the battery for 30 seconds.", "5 years.", "On the inside of the door." } },
	{ "thermostat",
	  "heating control",
	  { "Mains power.", "Dust it twice a year.", "It has lost the boiler.",
	    "Turn the ring left for 10 seconds.", "3 years.", "On an inner wall." } },
	{ "doorbell",
	  "door chime",
	  { "Two AAA cells.", "Wipe the lens every month.", "It is off line.",
	    "Press the bell 6 times.", "2 years.", "Beside the front door." } },
	{ "hub",
	  "control box",
	  { "A USB supply.", "Restart it every month.", "It has no network.",
	    "Press the pin hole for 15 seconds.", "4 years.", "In the middle of the house." } },
	{ "motion sensor",
	  "motion detector",
	  { "One coin cell.", "Wipe it every 3 months.", "Its battery is low.",
	    "Press the side button twice.", "2 years.", "In a corner, 2 meters high." } },
	{ "leak sensor",
	  "water alarm",
	  { "Two coin cells.", "Test it with a wet cloth every 6 months.", "It feels water.",
	    "Press both ends for 3 seconds.", "3 years.", "On the floor." } },
	{ "robot vacuum",
	  "vacuum robot",
	  { "A built-in battery.", "Empty the bin every week.", "Its brush is stuck.",
	    "Hold the home button for 20 seconds.", "2 years.", "On its dock." } },
	{ "water softener",
	  "softening unit",
	  { "Mains power.", "Add salt every 2 months.", "It is out of salt.",
	    "Hold the regenerate key for 8 seconds.", "7 years.", "By the water meter." } },
	{ "air cleaner",
	  "air filter",
	  { "A 24 volt supply.", "Change the filter every 6 months.", "The filter is full.",
	    "Hold the fan key for 7 seconds.", "2 years.", "Away from the wall." } },
	{ "camera",
	  "security camera",
	  { "A USB supply.", "Wipe the lens every 2 weeks.", "It is recording.",
	    "Press the card slot button for 12 seconds.", "3 years.", "Under the roof." } },
	{ "garage opener",
	  "garage motor",
	  { "Mains power.", "Grease the chain every spring.", "The door is blocked.",
	    "Hold the learn key for 9 seconds.", "5 years.", "On the garage ceiling." } },
	{ "blind motor",
	  "shade motor",
	  { "A solar panel.", "Clean the panel every summer.", "The blind is stuck.",
	    "Press up and down for 4 seconds.", "5 years.", "Inside the blind tube." } },
	{ "smart plug",
	  "power plug",
	  { "The socket.", "It needs no care.", "It is too hot.", "Hold its button for 6 seconds.",
	    "1 year.", "In any dry socket." } },
	{ "weather station",
	  "weather sensor",
	  { "Three AA cells.", "Clear the rain cup every autumn.", "It has lost its signal.",
	    "Hold the wave key for 11 seconds.", "2 years.", "On a pole in the garden." } },
	{ "sprinkler valve",
	  "garden valve",
	  { "A 12 volt supply.", "Drain it before winter.", "The water is shut off.",
	    "Turn the dial past off.", "4 years.", "In the valve box." } },
};

enum { THINGS = sizeof(things) / sizeof(things[0]) };

static const struct {
	const char *kind;
	demo_list patterns;
} subjects[SUBJECTS] = {
	{ "power",
	  { { "what [powers|runs] the <thing>", "how is the <thing> powered",
	      "what [battery|batteries] does the <thing> [take|use|need]",
	      "which [battery|batteries|cells] [are|is] in the <thing>",
	      "where does the <thing> get its power", "what does the <thing> run on",
	      "tell me how the <thing> is powered", "<thing> [battery|power]",
	      "what power does the <thing> need", "does the <thing> need batteries",
	      "what kind of battery is in the <thing>",
	      "which [supply|source of power] does the <thing> use",
	      "what is the <thing> [run|driven] by", "tell me what powers the <thing>",
	      "the <thing>, what does it run on", "the <thing>, which battery does it take",
	      "what does the <thing> use for power", "by what is the <thing> powered", NULL },
	    { "which power does the <thing> use", "what is the <thing> powered by",
	      "tell me what the <thing> runs on", "the <thing>, what battery does it need",
	      NULL } } },
	{ "care",
	  { { "how do I [care for|look after|maintain] the <thing>",
	      "what [care|maintenance] does the <thing> need",
	      "how often [should|must|do] I [clean|maintain|service] the <thing>",
	      "when should the <thing> be [cleaned|serviced]", "<thing> [care|maintenance]",
	      "how do I keep the <thing> in good shape",
	      "what should I do for the <thing> regularly",
	      "tell me how to [maintain|care for] the <thing>",
	      "does the <thing> need [care|service]",
	      "how is the <thing> [maintained|cleaned|serviced]",
	      "what upkeep does the <thing> need", "tell me how I look after the <thing>",
	      "the <thing>, how do I [clean|care for] it",
	      "how often does the <thing> need [cleaning|service]",
	      "which care does the <thing> need", "what do I do to keep the <thing> working",
	      NULL },
	    { "what service does the <thing> need", "tell me how to look after the <thing>",
	      "the <thing>, how do I maintain it", "how often does the <thing> need care",
	      NULL } } },
	{ "red",
	  { { "what does [a|the] red light on the <thing> mean",
	      "why [is|does] the <thing> [red|show a red light|blink red|flash red]",
	      "the <thing> [is red|shows red|blinks red|flashes red]",
	      "the light on the <thing> is red", "<thing> red light",
	      "the red light of the <thing> is on, why", "what is wrong when the <thing> is red",
	      "my <thing> has a red light", "red light on the <thing>",
	      "explain the red light on the <thing>",
	      "why does the <thing> [have red light|glow red]",
	      "what does it mean [when|if] the <thing> is red", "the <thing>, why is it red",
	      "tell me why the <thing> is red", "what is the red light on the <thing> for",
	      "what does the <thing> mean by blinking red", "why is the light of the <thing> red",
	      NULL },
	    { "why does the <thing> have a red light",
	      "what does it mean when the <thing> blinks red", "the <thing>, why is its light red",
	      "tell me about the red light on the <thing>", NULL } } },
	{ "reset",
	  { { "how do I [reset|restart|reboot] the <thing>",
	      "how [can|do] I make the <thing> forget everything",
	      "[reset|restart|reboot] the <thing>, how", "what resets the <thing>",
	      "tell me how to [reset|restart] the <thing>", "<thing> reset",
	      "I need to [reset|reboot] the <thing>", "steps to reset the <thing>",
	      "what must I [press|do] to reset the <thing>", "how is the <thing> [reset|restarted]",
	      "the <thing> hangs, how do I reset it", "what do I do to reset the <thing>",
	      "the <thing>, how do I restart it", "can you [say|explain] how to reset the <thing>",
	      "I want to restart the <thing>, how", "can you tell me how to restart the <thing>",
	      "how to reset the <thing>", "explain how to reset the <thing>", NULL },
	    { "what do I do to restart the <thing>", "the <thing>, how do I reset it",
	      "can you tell me how to reset the <thing>", "I want to reset the <thing>, how",
	      NULL } } },
	{ "warranty",
	  { { "how long is the [warranty|guarantee] [of|on] the <thing>",
	      "what is the [warranty|guarantee] [of|on] the <thing>",
	      "<thing> [warranty|guarantee]",
	      "how many years of [warranty|guarantee] does the <thing> have",
	      "how long is the <thing> [covered|under warranty|under guarantee]",
	      "does the <thing> have a [warranty|guarantee]",
	      "tell me the [warranty|guarantee] [of|on] the <thing>",
	      "for how long is the <thing> guaranteed", "when does the warranty of the <thing> end",
	      "which warranty does the <thing> have", "the <thing>, what is its guarantee",
	      "how long does the warranty [of|on] the <thing> [last|run]",
	      "how many years is the <thing> guaranteed",
	      "how many years does the guarantee of the <thing> last",
	      "until when is the <thing> under warranty", NULL },
	    { "what warranty does the <thing> have", "the <thing>, how long is its warranty",
	      "how long does the guarantee of the <thing> last",
	      "how many years is the <thing> under warranty", NULL } } },
	{ "place",
	  { { "where [should|do|must] I [put|mount|place|install] the <thing>",
	      "where does the <thing> [go|belong]",
	      "where is the <thing> [mounted|placed|installed]",
	      "what is the [best|right] [place|spot] for the <thing>",
	      "<thing> [place|position|location]",
	      "tell me where to [put|mount|install] the <thing>", "where should the <thing> be",
	      "in which place does the <thing> work best", "the best position for the <thing>",
	      "where can I [mount|put] the <thing>",
	      "which [place|position] is best for the <thing>", "the <thing>, where do I put it",
	      "what is a [suitable|proper] place for the <thing>",
	      "can you tell me where to [put|mount] the <thing>",
	      "can you say where the <thing> goes", "which place is good for the <thing>", NULL },
	    { "which spot is best for the <thing>", "the <thing>, where do I mount it",
	      "what is a good place for the <thing>", "can you tell me where to place the <thing>",
	      NULL } } },
};

static void make_fact(demo *d, demo_sample *s)
{
	size_t thing = demo_below(d, THINGS), subject = demo_below(d, SUBJECTS);
	demo_slot slot = { "thing",
			   demo_chance(d, 0.65) ? things[thing].name : things[thing].other };

	s->kind = subjects[subject].kind;
	demo_user_says(d, s, demo_pick(d, &subjects[subject].patterns), &slot, 1, true);
	demo_append(s->answer, DEMO_TEXT, "%s", things[thing].facts[subject]);
}

static void make_time(demo *d, demo_sample *s)
{
	static const demo_list patterns = {
		{ "how do I write <words>[ in digits|]",
		  "write <words> in digits",
		  "what is <words> in [digits|numbers|figures]",
		  "<words> in [digits|numbers]",
		  "put <words> in numbers",
		  "show <words> as a clock does",
		  "how does a clock show <words>",
		  "turn <words> into digits",
		  "give me <words> in [digits|figures]",
		  "how does <words> look in [digits|numbers]",
		  "what would <words> be in [digits|numbers|figures]",
		  "what does a clock show at <words>",
		  "what does a digital clock say at <words>",
		  "<words> as a [digital |]clock shows it",
		  "write down <words> in numbers",
		  "show me <words> in figures",
		  "how would you write <words>",
		  "how is <words> written in [numbers|figures]",
		  "in digits, what is <words>",
		  "tell me <words> in digits",
		  "what does <words> look like on a clock",
		  "I want <words> in digits",
		  "which digits are <words>",
		  NULL },
		{ "how is <words> written in digits", "show me <words> in numbers",
		  "write <words> as a clock shows it", "what does <words> look like in digits",
		  NULL },
	};
	char words[DEMO_VALUE], digits[DEMO_VALUE];
	demo_slot slot = { "words", words };

	demo_pick_spoken_time(d, words, digits);
	s->kind = "time";
	demo_user_says(d, s, demo_pick(d, &patterns), &slot, 1, true);
	demo_append(s->answer, DEMO_TEXT, "%s", digits);
}

static void make_small_talk(demo *d, demo_sample *s)
{
	static const struct {
		const char *answer;
		demo_list patterns;
	} talk[] = {
		{ "Hello. What can I do for you?",
		  { { "[hello|hi|hey]", "good [morning|evening|afternoon]", "[hello|hi|hey] there",
		      "hello[ assistant| computer|]", "hi[ assistant| computer|]", "greetings",
		      "hello, good [morning|afternoon]", "hi, good [evening|afternoon]",
		      "hey, good morning", "hey there", "good day", "hello again", "hi again",
		      "hey you", NULL },
		    { "hey[ computer| assistant]", "hello, good evening", "hi, good morning",
		      NULL } } },
		{ "You are welcome.",
		  { { "thanks", "thank you[ very much|]", "thanks a lot", "great, thanks",
		      "that helped, thank you", "many thanks", "thank you so much",
		      "thanks so much", "great, thanks a lot", "that is great, thanks",
		      "good, thank you", "perfect, thanks", "thanks again", "very good, thank you",
		      NULL },
		    { "thanks very much", "great, thank you", "thank you a lot", NULL } } },
		{ "I control this home: lights, heating, locks, blinds, music, timers and "
		  "reminders.",
		  { { "what can you do", "what are you able to do", "how can you help me",
		      "what do you do", "what can I ask you", "help", "tell me what you can do",
		      "what are your functions", "what can I do here", "what do you help with",
		      "tell me what you help with", "show me what you can do",
		      "what are you good for", "what can I use you for", "list what you can do",
		      "can you help me", "which things can you do", "how do you help", NULL },
		    { "what can you help me with", "tell me how you can help",
		      "what can I do with you", NULL } } },
		{ "I am the assistant of this home.",
		  { { "who are you",
		      "what are you",
		      "what is your name",
		      "are you a [human|person|robot]",
		      "tell me who you are",
		      "who am I talking to",
		      "do you have a [title|job]",
		      "have you got a name",
		      "tell me your name",
		      "what should I call you",
		      "what do I call you",
		      "who is that",
		      "who is speaking",
		      "who is there",
		      "is this the assistant",
		      "what is this",
		      "introduce yourself",
		      "what kind of thing are you",
		      "are you the assistant",
		      "does this thing have a name",
		      NULL },
		    { "tell me what you are", "who is this", "do you have a name", NULL } } },
		{ "Yes. I run on this device and need no network.",
		  { { "do you work [offline|without internet]", "can you work without a network",
		      "are you [offline|on this device|local]", "do you run on this device",
		      "do you keep my data here", "does it work without internet",
		      "can you [work|run] offline", "do you run without [internet|a network]",
		      "will you work without internet", "do you need [the internet|a network]",
		      "can you work with no network", "do you still work when the network is down",
		      "are you in the cloud", "where do you run", "does my data leave this device",
		      NULL },
		    { "can you run without internet", "do you work without a network",
		      "do you run offline", NULL } } },
	};
	size_t i = demo_below(d, sizeof(talk) / sizeof(talk[0]));

	s->kind = "talk";
	demo_user_says(d, s, demo_pick(d, &talk[i].patterns), NULL, 0, i >= 2);
	demo_append(s->answer, DEMO_TEXT, "%s", talk[i].answer);
}

void demo_make_simple(demo *d, demo_sample *s)
{
	double kind = elm__random_unit(&d->random);

	d->lower = demo_chance(d, 0.15);
	if (kind < 0.72)
		make_fact(d, s);
	else if (kind < 0.88)
		make_time(d, s);
	else
		make_small_talk(d, s);
}

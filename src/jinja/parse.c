#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "jinja/parser.h"
#include "jinja/unicode.h"

/* Real templates are below 100 KiB. */
enum { MAX_SOURCE = 4 << 20 };

static jj_node *parse_block(jj_parser *p, const char *const *ends);

/* Shared with parse_expr.c. */

jj_node *elm__jj_syntax_error(jj_parser *p, const jj_token *at, elm_status status,
			      const char *format, ...)
{
	va_list args;

	if (p->status != ELM_OK)
		return NULL;
	p->status = status;
	va_start(args, format);
	elm_error_setv(p->error, status, format, args);
	va_end(args);
	if (p->error)
		elm_error_prefix(p->error, "%s: line %u column %u", p->program->name, at->line,
				 at->column);
	return NULL;
}

jj_node *elm__jj_unexpected(jj_parser *p, const char *wanted)
{
	const jj_token *at = p->token;
	int length = at->length < 40 ? (int)at->length : 40;

	switch (at->type) {
	case JJ_T_END:
		return elm__jj_syntax_error(p, at, ELM_ERR_FORMAT,
					    "the template ends where %s should be", wanted);
	case JJ_T_BLOCK_END:
	case JJ_T_PRINT_END:
		return elm__jj_syntax_error(p, at, ELM_ERR_FORMAT,
					    "the tag ends where %s should be", wanted);
	default:
		return elm__jj_syntax_error(p, at, ELM_ERR_FORMAT,
					    "found '%.*s' where %s should be", length, at->text,
					    wanted);
	}
}

void *elm__jj_parser_alloc(jj_parser *p, size_t count, size_t size)
{
	void *block = elm__arena_calloc(&p->program->arena, count, size);

	if (!block)
		elm__jj_syntax_error(p, p->token, ELM_ERR_NO_MEMORY, "out of memory");
	return block;
}

jj_node *elm__jj_node(jj_parser *p, jj_node_type type, const jj_token *at)
{
	jj_node *node = elm__jj_parser_alloc(p, 1, sizeof(*node));

	if (node) {
		node->type = (uint8_t)type;
		node->line = at->line;
		node->column = at->column;
		node->depth = 1;
	}
	return node;
}

bool elm__jj_append(jj_parser *p, jj_nodes *nodes, jj_node *node, const jj_string *name)
{
	uint32_t capacity = nodes->capacity ? nodes->capacity * 2 : 4;
	const jj_string **names;
	jj_node **items;

	if (nodes->count == nodes->capacity) {
		items = elm__jj_parser_alloc(p, capacity, sizeof(*items));
		names = elm__jj_parser_alloc(p, capacity, sizeof(*names));
		if (!items || !names)
			return false;
		if (nodes->count) {
			memcpy(items, nodes->items, nodes->count * sizeof(*items));
			memcpy(names, nodes->names, nodes->count * sizeof(*names));
		}
		nodes->items = items;
		nodes->names = names;
		nodes->capacity = capacity;
	}
	nodes->names[nodes->count] = name;
	nodes->items[nodes->count++] = node;
	return true;
}

jj_node *elm__jj_finish(jj_parser *p, jj_node *node, const jj_nodes *children)
{
	uint32_t i;

	if (!node)
		return NULL;
	node->children = children->items;
	node->names = children->names;
	node->count = children->count;
	for (i = 0; i < children->count; i++)
		if (children->items[i] && children->items[i]->depth >= node->depth)
			node->depth = (uint16_t)(children->items[i]->depth + 1);
	if (node->depth > JJ_MAX_TREE_DEPTH)
		return elm__jj_syntax_error(p, p->token, ELM_ERR_LIMIT,
					    "nested more than %d levels deep", JJ_MAX_TREE_DEPTH);
	return node;
}

jj_node *elm__jj_node_with(jj_parser *p, jj_node_type type, const jj_token *at, jj_node *a,
			   jj_node *b)
{
	jj_nodes children = { 0 };

	if (!elm__jj_append(p, &children, a, NULL) || (b && !elm__jj_append(p, &children, b, NULL)))
		return NULL;
	return elm__jj_finish(p, elm__jj_node(p, type, at), &children);
}

const jj_string *elm__jj_constant_string(jj_parser *p, const char *text, size_t length)
{
	jj_string *string = elm__jj_parser_alloc(p, 1, sizeof(*string));

	if (string) {
		string->data = text;
		string->length = length;
		string->chars = (int64_t)elm__jj_count_chars(text, length);
	}
	return string;
}

static size_t hash_name(const char *text, size_t length)
{
	uint32_t hash = 2166136261u;
	size_t i;

	for (i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	return hash;
}

static uint32_t *find_slot(uint32_t *slots, size_t slot_count, const jj_string *const *symbols,
			   const char *text, size_t length)
{
	size_t at = hash_name(text, length) & (slot_count - 1);
	const jj_string *symbol;

	for (; slots[at]; at = (at + 1) & (slot_count - 1)) {
		symbol = symbols[slots[at] - 1];
		if (symbol->length == length && !memcmp(symbol->data, text, length))
			break;
	}
	return &slots[at];
}

static bool grow_symbols(jj_parser *p)
{
	elm__jinja *program = p->program;
	size_t capacity = p->symbol_capacity ? p->symbol_capacity * 2 : 32;
	const jj_string **symbols = elm__jj_parser_alloc(p, capacity, sizeof(*symbols));
	uint32_t *slots = elm__jj_parser_alloc(p, capacity * 2, sizeof(*slots)), i;

	if (!symbols || !slots)
		return false;
	for (i = 0; i < program->symbol_count; i++) {
		symbols[i] = program->symbols[i];
		*find_slot(slots, capacity * 2, symbols, symbols[i]->data, symbols[i]->length) =
			i + 1;
	}
	program->symbols = symbols;
	p->symbol_slots = slots;
	p->symbol_capacity = capacity;
	return true;
}

const jj_string *elm__jj_intern(jj_parser *p, const char *text, size_t length, uint32_t *symbol)
{
	elm__jinja *program = p->program;
	const jj_string *name;
	uint32_t *slot;

	if (program->symbol_count == p->symbol_capacity && !grow_symbols(p))
		return NULL;
	slot = find_slot(p->symbol_slots, p->symbol_capacity * 2, program->symbols, text, length);
	if (!*slot) {
		text = elm__arena_strndup(&program->arena, text, length);
		name = text ? elm__jj_constant_string(p, text, length) : NULL;
		if (!name) {
			elm__jj_syntax_error(p, p->token, ELM_ERR_NO_MEMORY, "out of memory");
			return NULL;
		}
		program->symbols[program->symbol_count++] = name;
		*slot = program->symbol_count;
	}
	*symbol = *slot - 1;
	return program->symbols[*symbol];
}

bool elm__jj_enter(jj_parser *p)
{
	if (++p->depth <= JJ_MAX_TREE_DEPTH)
		return true;
	elm__jj_syntax_error(p, p->token, ELM_ERR_LIMIT, "nested more than %d levels deep",
			     JJ_MAX_TREE_DEPTH);
	return false;
}

bool elm__jj_is(const jj_parser *p, jj_token_type type, const char *text)
{
	return p->token->type == type &&
	       (!text || (strlen(text) == p->token->length &&
			  !memcmp(p->token->text, text, p->token->length)));
}

bool elm__jj_accept(jj_parser *p, jj_token_type type, const char *text)
{
	if (!elm__jj_is(p, type, text))
		return false;
	p->token++;
	return true;
}

bool elm__jj_expect(jj_parser *p, jj_token_type type, const char *text)
{
	char wanted[40];

	if (elm__jj_accept(p, type, text))
		return true;
	if (type == JJ_T_BLOCK_END)
		text = "%}";
	else if (type == JJ_T_PRINT_END)
		text = "}}";
	snprintf(wanted, sizeof(wanted), "'%s'", text);
	elm__jj_unexpected(p, wanted);
	return false;
}

/* Statements. */

static bool accept_word(jj_parser *p, const char *word)
{
	return elm__jj_accept(p, JJ_T_NAME, word);
}

static bool expect_block_end(jj_parser *p)
{
	return elm__jj_expect(p, JJ_T_BLOCK_END, NULL);
}

static jj_node *parse_variable(jj_parser *p)
{
	jj_node *node;

	if (p->token->type != JJ_T_NAME)
		return elm__jj_unexpected(p, "the name of a variable");
	node = elm__jj_node(p, JJ_N_NAME, p->token);
	if (node)
		node->name = elm__jj_intern(p, p->token->text, p->token->length, &node->symbol);
	p->token++;
	return node && node->name ? node : NULL;
}

static jj_node *parse_target(jj_parser *p);

static jj_node *parse_target_part(jj_parser *p)
{
	jj_node *node;

	if (!elm__jj_accept(p, JJ_T_OPERATOR, "("))
		return parse_variable(p);
	if (!elm__jj_enter(p))
		return NULL;
	node = parse_target(p);
	jj_leave(p);
	return node && elm__jj_expect(p, JJ_T_OPERATOR, ")") ? node : NULL;
}

/* A variable, or a tuple of targets. */
static jj_node *parse_target(jj_parser *p)
{
	const jj_token *at = p->token;
	jj_nodes parts = { 0 };
	bool tuple = false;
	jj_node *part;

	do {
		if (parts.count && p->token->type != JJ_T_NAME &&
		    !elm__jj_is(p, JJ_T_OPERATOR, "("))
			break;
		part = parse_target_part(p);
		if (!part || !elm__jj_append(p, &parts, part, NULL))
			return NULL;
	} while (elm__jj_accept(p, JJ_T_OPERATOR, ",") && (tuple = true));
	return tuple ? elm__jj_finish(p, elm__jj_node(p, JJ_N_TUPLE, at), &parts) : part;
}

/* The target of {% set %}: as above, or an attribute of a namespace. */
static jj_node *parse_set_target(jj_parser *p)
{
	const jj_token *dot = p->token + 1;
	jj_node *name, *node;

	if (p->token->type != JJ_T_NAME || dot->type != JJ_T_OPERATOR || dot->length != 1 ||
	    dot->text[0] != '.')
		return parse_target(p);
	name = parse_variable(p);
	p->token++;
	if (p->token->type != JJ_T_NAME)
		return elm__jj_unexpected(p, "the name of an attribute");
	node = name ? elm__jj_node_with(p, JJ_N_ATTR, dot, name, NULL) : NULL;
	if (node)
		node->name = elm__jj_constant_string(p, p->token->text, p->token->length);
	p->token++;
	return node && node->name ? node : NULL;
}

/* The body up to {% end %}, which is consumed. */
static jj_node *parse_body(jj_parser *p, const char *end)
{
	const char *const ends[] = { end, NULL };
	jj_node *body = parse_block(p, ends);

	if (!body)
		return NULL;
	p->token++;
	return expect_block_end(p) ? body : NULL;
}

/* A body whose output is collected: no {% break %} may leave it. */
static jj_node *parse_captured_body(jj_parser *p, const char *end)
{
	unsigned loops = p->loops;
	jj_node *body;

	p->loops = 0;
	body = parse_body(p, end);
	p->loops = loops;
	return body;
}

static jj_node *parse_if(jj_parser *p, const jj_token *at)
{
	static const char *const ends[] = { "elif", "else", "endif", NULL };
	jj_nodes children = { 0 };
	jj_node *condition, *body;
	bool last = false;

	for (;;) {
		condition = NULL;
		if (!last) {
			condition = elm__jj_parse_tuple(p, true);
			if (!condition)
				return NULL;
		}
		if (!expect_block_end(p))
			return NULL;
		body = parse_block(p, last ? ends + 2 : ends);
		if (!body || !elm__jj_append(p, &children, condition, NULL) ||
		    !elm__jj_append(p, &children, body, NULL))
			return NULL;
		if (accept_word(p, "endif"))
			break;
		last = accept_word(p, "else");
		if (!last)
			p->token++;
	}
	return expect_block_end(p) ? elm__jj_finish(p, elm__jj_node(p, JJ_N_IF, at), &children) :
				     NULL;
}

static jj_node *parse_for(jj_parser *p, const jj_token *at)
{
	static const char *const ends[] = { "else", "endfor", NULL };
	jj_node *part[5] = { NULL, NULL, NULL, NULL, NULL };
	jj_nodes children = { 0 };
	int i;

	part[0] = parse_target(p);
	if (!part[0] || !elm__jj_expect(p, JJ_T_NAME, "in"))
		return NULL;
	part[1] = elm__jj_parse_tuple(p, true);
	if (!part[1])
		return NULL;
	if (accept_word(p, "if")) {
		part[2] = elm__jj_parse_expression(p);
		if (!part[2])
			return NULL;
	}
	if (elm__jj_is(p, JJ_T_NAME, "recursive"))
		return elm__jj_syntax_error(p, p->token, ELM_ERR_UNSUPPORTED,
					    "recursive loops are not supported; use a macro that "
					    "calls itself");
	if (!expect_block_end(p))
		return NULL;
	p->loops++;
	part[3] = parse_block(p, ends);
	p->loops--;
	if (!part[3])
		return NULL;
	if (accept_word(p, "else")) {
		if (!expect_block_end(p))
			return NULL;
		part[4] = parse_block(p, ends + 1);
		if (!part[4])
			return NULL;
	}
	p->token++;
	if (!expect_block_end(p))
		return NULL;
	for (i = 0; i < 5; i++)
		if (!elm__jj_append(p, &children, part[i], NULL))
			return NULL;
	return elm__jj_finish(p, elm__jj_node(p, JJ_N_FOR, at), &children);
}

/* A stand-in for the text of a block, to which its filters are applied. */
static jj_node *parse_block_filters(jj_parser *p)
{
	jj_node *captured = elm__jj_node(p, JJ_N_CAPTURED, p->token);

	return captured ? elm__jj_parse_filters(p, captured) : NULL;
}

static jj_node *parse_set(jj_parser *p, const jj_token *at)
{
	jj_node *target = parse_set_target(p), *filters = NULL, *body;
	jj_nodes children = { 0 };

	if (!target)
		return NULL;
	if (elm__jj_accept(p, JJ_T_OPERATOR, "=")) {
		body = elm__jj_parse_tuple(p, false);
		return body && expect_block_end(p) ?
			       elm__jj_node_with(p, JJ_N_SET, at, target, body) :
			       NULL;
	}
	if (elm__jj_accept(p, JJ_T_OPERATOR, "|")) {
		filters = parse_block_filters(p);
		if (!filters)
			return NULL;
	}
	if (!expect_block_end(p))
		return NULL;
	body = parse_captured_body(p, "endset");
	if (!body || !elm__jj_append(p, &children, target, NULL) ||
	    !elm__jj_append(p, &children, body, NULL) ||
	    !elm__jj_append(p, &children, filters, NULL))
		return NULL;
	return elm__jj_finish(p, elm__jj_node(p, JJ_N_SET_BLOCK, at), &children);
}

/* Parameters in parentheses, the "(" being current. Appends the defaults. */
static bool parse_parameters(jj_parser *p, jj_node *macro, jj_nodes *defaults)
{
	uint32_t symbols[64], *copy;
	const jj_string *name;
	bool optional = false;
	jj_node *value;

	if (!elm__jj_expect(p, JJ_T_OPERATOR, "("))
		return false;
	while (!elm__jj_accept(p, JJ_T_OPERATOR, ")")) {
		if (defaults->count && !elm__jj_expect(p, JJ_T_OPERATOR, ","))
			return false;
		if (p->token->type != JJ_T_NAME) {
			elm__jj_unexpected(p, "the name of a parameter");
			return false;
		}
		if (defaults->count == sizeof(symbols) / sizeof(symbols[0])) {
			elm__jj_syntax_error(p, p->token, ELM_ERR_LIMIT,
					     "a macro has more than 64 parameters");
			return false;
		}
		name = elm__jj_intern(p, p->token->text, p->token->length,
				      &symbols[defaults->count]);
		p->token++;
		value = NULL;
		if (elm__jj_accept(p, JJ_T_OPERATOR, "=")) {
			optional = true;
			value = elm__jj_parse_expression(p);
			if (!value)
				return false;
		} else if (optional) {
			elm__jj_syntax_error(p, p->token, ELM_ERR_FORMAT,
					     "a parameter without default follows one with");
			return false;
		}
		if (!name || !elm__jj_append(p, defaults, value, name))
			return false;
	}
	copy = elm__jj_parser_alloc(p, defaults->count, sizeof(*copy));
	if (!copy)
		return false;
	memcpy(copy, symbols, defaults->count * sizeof(*copy));
	macro->symbols = copy;
	return true;
}

static jj_node *parse_macro_body(jj_parser *p, jj_node *macro, jj_nodes *children, const char *end)
{
	jj_node *body = parse_captured_body(p, end);

	if (!body || !elm__jj_append(p, children, body, NULL))
		return NULL;
	return elm__jj_finish(p, macro, children);
}

static jj_node *parse_macro(jj_parser *p, const jj_token *at)
{
	jj_node *macro = elm__jj_node(p, JJ_N_MACRO, at);
	jj_nodes children = { 0 };

	if (!macro)
		return NULL;
	if (p->token->type != JJ_T_NAME)
		return elm__jj_unexpected(p, "the name of the macro");
	macro->name = elm__jj_intern(p, p->token->text, p->token->length, &macro->symbol);
	p->token++;
	if (!macro->name || !parse_parameters(p, macro, &children) || !expect_block_end(p))
		return NULL;
	return parse_macro_body(p, macro, &children, "endmacro");
}

static jj_node *parse_call_block(jj_parser *p, const jj_token *at)
{
	jj_node *caller = elm__jj_node(p, JJ_N_MACRO, at), *call;
	jj_nodes children = { 0 };

	if (!caller)
		return NULL;
	caller->symbol = p->program->symbol_caller;
	caller->name = p->program->symbols[caller->symbol];
	if (elm__jj_is(p, JJ_T_OPERATOR, "(") && !parse_parameters(p, caller, &children))
		return NULL;
	call = elm__jj_parse_postfix_primary(p);
	if (!call || !expect_block_end(p))
		return NULL;
	if (call->type != JJ_N_CALL)
		return elm__jj_syntax_error(p, at, ELM_ERR_FORMAT,
					    "a call block must call a macro");
	caller = parse_macro_body(p, caller, &children, "endcall");
	return caller ? elm__jj_node_with(p, JJ_N_CALL_BLOCK, at, caller, call) : NULL;
}

static jj_node *parse_filter_block(jj_parser *p, const jj_token *at)
{
	jj_node *filters = parse_block_filters(p), *body;

	if (!filters || !expect_block_end(p))
		return NULL;
	body = parse_captured_body(p, "endfilter");
	return body ? elm__jj_node_with(p, JJ_N_FILTER_BLOCK, at, filters, body) : NULL;
}

static jj_node *parse_with(jj_parser *p, const jj_token *at)
{
	jj_nodes children = { 0 };
	jj_node *node;

	while (p->token->type != JJ_T_BLOCK_END) {
		if (children.count && !elm__jj_expect(p, JJ_T_OPERATOR, ","))
			return NULL;
		node = parse_target_part(p);
		if (!node || !elm__jj_append(p, &children, node, NULL) ||
		    !elm__jj_expect(p, JJ_T_OPERATOR, "="))
			return NULL;
		node = elm__jj_parse_expression(p);
		if (!node || !elm__jj_append(p, &children, node, NULL))
			return NULL;
	}
	node = expect_block_end(p) ? parse_body(p, "endwith") : NULL;
	if (!node || !elm__jj_append(p, &children, node, NULL))
		return NULL;
	return elm__jj_finish(p, elm__jj_node(p, JJ_N_WITH, at), &children);
}

static jj_node *parse_generation(jj_parser *p, const jj_token *at)
{
	jj_node *body = expect_block_end(p) ? parse_body(p, "endgeneration") : NULL;

	return body ? elm__jj_node_with(p, JJ_N_SCOPE, at, body, NULL) : NULL;
}

static jj_node *parse_do(jj_parser *p, const jj_token *at)
{
	jj_node *value = elm__jj_parse_tuple(p, false);

	return value && expect_block_end(p) ? elm__jj_node_with(p, JJ_N_DO, at, value, NULL) : NULL;
}

static jj_node *parse_loop_control(jj_parser *p, const jj_token *at, jj_node_type type)
{
	if (!p->loops)
		return elm__jj_syntax_error(p, at, ELM_ERR_FORMAT, "'%.*s' outside of a loop",
					    (int)at->length, at->text);
	return expect_block_end(p) ? elm__jj_node(p, type, at) : NULL;
}

static jj_node *parse_break(jj_parser *p, const jj_token *at)
{
	return parse_loop_control(p, at, JJ_N_BREAK);
}

static jj_node *parse_continue(jj_parser *p, const jj_token *at)
{
	return parse_loop_control(p, at, JJ_N_CONTINUE);
}

/* The statement whose name is the current token. */
static jj_node *parse_statement(jj_parser *p)
{
	static const struct {
		const char *word;
		jj_node *(*parse)(jj_parser *p, const jj_token *at);
	} statements[] = {
		{ "if", parse_if },
		{ "for", parse_for },
		{ "set", parse_set },
		{ "macro", parse_macro },
		{ "call", parse_call_block },
		{ "filter", parse_filter_block },
		{ "with", parse_with },
		{ "generation", parse_generation },
		{ "do", parse_do },
		{ "break", parse_break },
		{ "continue", parse_continue },
	};
	static const char *const unsupported[] = { "include", "import", "from",	      "extends",
						   "block",   "print",	"autoescape", "trans" };
	const jj_token *at = p->token;
	size_t i;

	if (at->type != JJ_T_NAME)
		return elm__jj_unexpected(p, "the name of a statement");
	for (i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
		if (accept_word(p, statements[i].word))
			return statements[i].parse(p, at);
	for (i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++)
		if (accept_word(p, unsupported[i]))
			return elm__jj_syntax_error(p, at, ELM_ERR_UNSUPPORTED,
						    "the statement '%s' is not supported",
						    unsupported[i]);
	return elm__jj_unexpected(p, "a statement");
}

static jj_node *parse_text(jj_parser *p)
{
	jj_node *node = elm__jj_node(p, JJ_N_TEXT, p->token);

	if (node) {
		node->value.kind = JJ_STRING;
		node->value.as.string =
			elm__jj_constant_string(p, p->token->text, p->token->length);
	}
	p->token++;
	return node && node->value.as.string ? node : NULL;
}

static jj_node *parse_print(jj_parser *p)
{
	const jj_token *at = p->token++;
	jj_node *value = elm__jj_parse_tuple(p, false);

	return value && elm__jj_expect(p, JJ_T_PRINT_END, NULL) ?
		       elm__jj_node_with(p, JJ_N_PRINT, at, value, NULL) :
		       NULL;
}

static bool is_one_of(const jj_parser *p, const char *const *words)
{
	for (; words && *words; words++)
		if (elm__jj_is(p, JJ_T_NAME, *words))
			return true;
	return false;
}

/*
 * Statements up to a tag that begins with one of `ends`, whose name is then the current token; or,
 * with NULL, up to the end of the template.
 */
static jj_node *parse_block(jj_parser *p, const char *const *ends)
{
	const jj_token *at = p->token;
	jj_nodes children = { 0 };
	jj_node *node;

	if (!elm__jj_enter(p))
		return NULL;
	for (;;) {
		if (p->token->type == JJ_T_END) {
			if (!ends)
				break;
			return elm__jj_syntax_error(p, at, ELM_ERR_FORMAT,
						    "the block that begins here has no {%% %s %%}",
						    ends[1] && ends[2] ? ends[2] :
						    ends[1]	       ? ends[1] :
									 ends[0]);
		}
		if (p->token->type == JJ_T_DATA) {
			node = parse_text(p);
		} else if (p->token->type == JJ_T_PRINT_BEGIN) {
			node = parse_print(p);
		} else {
			p->token++;
			if (is_one_of(p, ends))
				break;
			node = parse_statement(p);
		}
		if (!node || !elm__jj_append(p, &children, node, NULL))
			return NULL;
	}
	jj_leave(p);
	return elm__jj_finish(p, elm__jj_node(p, JJ_N_BLOCK, at), &children);
}

static elm_status parse_program(elm__jinja *program, const char *source, size_t length,
				elm_error *error)
{
	jj_parser p = { .program = program, .error = error };
	jj_tokens tokens = { 0 };
	elm_status status;

	status = elm__jj_lex(program->name, source, length, &program->arena, &tokens, error);
	if (status != ELM_OK)
		return status;
	p.token = tokens.items;
	if (elm__jj_intern(&p, "loop", 4, &program->symbol_loop) &&
	    elm__jj_intern(&p, "caller", 6, &program->symbol_caller))
		program->root = parse_block(&p, NULL);
	return p.status;
}

elm_status elm__jinja_parse(const char *name, const char *source, size_t length, elm__jinja **out,
			    elm_error *error)
{
	elm__jinja *program;
	elm_status status;

	*out = NULL;
	if (length > MAX_SOURCE)
		return elm_error_set(error, ELM_ERR_LIMIT, "%s: the template is larger than %d MiB",
				     name, MAX_SOURCE >> 20);
	program = elm__calloc(1, sizeof(*program));
	if (!program)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", name);
	elm__arena_init(&program->arena, 0);
	program->name = elm__strdup(name);
	status = program->name ? parse_program(program, source, length, error) :
				 elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", name);
	if (status != ELM_OK) {
		elm__jinja_free(program);
		return status;
	}
	*out = program;
	return ELM_OK;
}

void elm__jinja_free(elm__jinja *program)
{
	if (!program)
		return;
	elm__arena_release(&program->arena);
	elm__free(program->name);
	elm__free(program);
}

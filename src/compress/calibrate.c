#include "compress/calibrate.h"

#include <math.h>

#include "base/clock.h"
#include "model/core.h"

enum { SAVE_SECONDS = 600 };

/* The output product reads the normed stream after the last layer. */
static void see_output(elm__calib *calib, const elm__walk *walk)
{
	const elm_model *model = walk->model;
	size_t width = model->hparams.width;
	elm__channels *c = elm__calib_at(calib, (elm__role){ calib->layers, 0 });

	for (uint32_t w = 0; w < walk->windows; w++) {
		const float *state = elm__walk_state(walk, w);

		for (uint32_t i = 0; i < walk->window; i++)
			model->kernels.rms_norm(state + i * width, model->weights.output_norm,
						model->hparams.norm_epsilon, walk->copy + i * width,
						width);
		elm__channels_add(c, &walk->multiplier, walk->copy, width, walk->window, 0, 1);
	}
}

/* A model whose weights or activations are not numbers would calibrate to nonsense. */
static elm_status check_layer(const elm__calib *calib, uint32_t layer, elm_error *error)
{
	for (int input = 0; input < ELM__INPUTS; input++) {
		elm__role role = { layer, (elm__input)input };
		const elm__channels *c = elm__calib_at(calib, role);

		for (size_t i = 0; i < c->cols; i++)
			if (!isfinite(c->square[i]))
				return elm_error_set(
					error, ELM_ERR_FORMAT,
					"%s: layer %u computes infinite values or NaN; the weights "
					"are damaged",
					elm_gguf_path(calib->model), layer);
	}
	return ELM_OK;
}

static bool tell(const elm__calibrate_options *o, const elm__walk *walk)
{
	uint64_t layers = elm_model_get_info(walk->model)->layers;

	return o->progress &&
	       o->progress(o->user, (uint64_t)walk->layer * walk->windows + walk->done,
			   layers * walk->windows);
}

/* Keeps what is done so far, where there is a file for it. */
static elm_status keep(const elm__calib *calib, const elm__walk *walk,
		       const elm__calibrate_options *o, elm_error *error)
{
	if (!o->output || (!walk->layer && !walk->done))
		return ELM_OK;
	return elm__calib_save(calib, walk, o->output, error);
}

elm_status elm__calib_collect(elm__calib *calib, elm__walk *walk, const elm__calibrate_options *o,
			      elm_error *error)
{
	elm__calib_observer see = { calib, 0, &walk->multiplier };
	const elm__observer observer = { elm__calib_see, &see };
	uint64_t saved = elm__now_ns();
	elm_status status = ELM_OK;

	while (walk->layer < calib->layers && !status) {
		bool cancelled = tell(o, walk);

		if (cancelled || elm__seconds_between(saved, elm__now_ns()) > SAVE_SECONDS) {
			status = keep(calib, walk, o, error);
			saved = elm__now_ns();
		}
		if (cancelled && !status)
			status = elm_error_set(error, ELM_ERR_CANCELLED, "interrupted%s",
					       o->output && (walk->layer || walk->done) ?
						       "; go on with --resume" :
						       "");
		if (status)
			return status;
		see.layer = walk->layer;
		elm__walk_step(walk, &observer);
		if (!walk->done)
			status = check_layer(calib, see.layer, error);
		for (int i = 0; !walk->done && i < ELM__INPUTS; i++)
			elm__channels_mirror(
				elm__calib_at(calib, (elm__role){ see.layer, (elm__input)i }));
	}
	if (!status)
		see_output(calib, walk);
	return status;
}

elm_status elm__calibrate(elm_model *model, const elm_token *tokens, size_t count,
			  const elm__calibrate_options *options, elm__calibrate_report *report,
			  elm_error *error)
{
	elm__walk_options walk_options = options->walk;
	elm__calib calib = { 0 };
	elm__walk walk;
	elm_status status;

	walk_options.beside = options->output;
	status = elm__walk_init(&walk, model, tokens, count, &walk_options, error);
	if (status)
		return status;
	status = elm__calib_create(&calib, model->gguf, &model->hparams,
				   options->products ? ELM__PRODUCTS_EACH : ELM__PRODUCTS_NONE,
				   walk_options.memory, options->output, error);
	calib.window = walk.window;
	calib.windows = walk.windows;
	calib.text_name = options->text_name;
	report->resumed = false;
	if (!status && options->resume)
		status = elm__calib_resume(&calib, &walk, options->output, &report->resumed, error);
	if (!status)
		status = elm__calib_collect(&calib, &walk, options, error);
	if (!status)
		status = elm__calib_save(&calib, &walk, options->output, error);
	report->window = walk.window;
	report->windows = walk.windows;
	report->tokens = (uint64_t)walk.windows * walk.window;
	elm__calib_release(&calib);
	elm__walk_release(&walk);
	return status;
}

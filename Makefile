# A short front for Meson; `make help` lists the targets. Every build has its own folder.
BUILD ?= build
MESON_FLAGS ?=
SANITIZE_FLAGS ?=
MODEL ?=
PROMPT ?= Once upon a time
TOKENS ?= 100
FUZZ_SECONDS ?= 60
DEMO_MODEL = models/edgelm-demo.gguf

help:
	@echo 'make demo                   build, then ask the demo model a few things'
	@echo 'make demo MODEL=file.gguf   the same with text of another [PROMPT="..." TOKENS=100]'
	@echo 'make demo-model             make the demo model anew, in one to two hours'
	@echo 'make test                   build, then run all tests'
	@echo 'make bench                  build, then time the kernels [MODEL=file.gguf: and the model]'
	@echo 'make install                build, then install [DESTDIR=...]'
	@echo 'make asan | tsan            the tests under address+undefined | thread sanitizers'
	@echo 'make fuzz                   every fuzz target with clang [FUZZ_SECONDS=60]'
	@echo 'make coverage               the tests, then line coverage per file'
	@echo 'make format | check         rewrite the sources in style | check style, layers, sizes'
	@echo 'make clean                  remove the build folders'

deps:
	@scripts/install-deps.sh

# Meson reconfigures by itself when its files change; here only a missing folder is set up.
$(BUILD)/build.ninja: | deps
	meson setup $(BUILD) $(MESON_FLAGS)

build: deps $(BUILD)/build.ninja
	ninja -C $(BUILD)

demo:
	@test -z '$(MODEL)' -o -r '$(MODEL)' || { echo 'make demo: cannot read $(MODEL)' >&2; exit 2; }
	@$(MAKE) --no-print-directory build
ifeq ($(MODEL),)
	@scripts/demo.sh $(BUILD)/src/cli/edgelm $(DEMO_MODEL)
else
	$(BUILD)/src/cli/edgelm run '$(MODEL)' -p '$(PROMPT)' -n $(TOKENS) --temp 0
endif

demo-model: build
	scripts/demo-model.sh $(BUILD) $(BUILD)/demo-model
	@echo 'To keep it: cp $(BUILD)/demo-model/edgelm-demo.gguf $(DEMO_MODEL)'

test: build
	meson test -C $(BUILD) --no-rebuild --print-errorlogs

bench: build
	$(BUILD)/tests/kernel/kernels --bench
	@test -z '$(MODEL)' || $(BUILD)/src/cli/edgelm bench '$(MODEL)' -p 128 -n 32 -r 3 --latency --roofline

install: build
	meson install -C $(BUILD) --no-rebuild

asan:
	$(MAKE) --no-print-directory test BUILD=build-asan MESON_FLAGS='-Db_sanitize=address,undefined -Dbuildtype=debugoptimized $(SANITIZE_FLAGS)'

tsan:
	$(MAKE) --no-print-directory test BUILD=build-tsan MESON_FLAGS='-Db_sanitize=thread -Dbuildtype=debugoptimized $(SANITIZE_FLAGS)'

fuzz:
	@scripts/install-deps.sh clang
	@scripts/fuzz.sh build-fuzz $(FUZZ_SECONDS)

coverage:
	@scripts/install-deps.sh gcovr
	$(MAKE) --no-print-directory test BUILD=build-coverage MESON_FLAGS='-Db_coverage=true -Dbuildtype=debug'
	gcovr --root . --filter src/ build-coverage

format:
	find examples include src tests tools -name '*.[ch]' -print0 | xargs -0 clang-format -i

check:
	scripts/check-layers.py
	scripts/check-sizes.py
	scripts/check-format.sh

clean:
	rm -rf build build-asan build-tsan build-fuzz build-coverage build-aarch64

.PHONY: help deps build demo demo-model test bench install asan tsan fuzz coverage format check clean

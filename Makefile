# stek: build, install, try, test. GNU make; see README.md.

PREFIX     = /usr
SBINDIR    = $(PREFIX)/sbin
MANDIR     = $(PREFIX)/share/man
BASHDIR    = $(PREFIX)/share/bash-completion/completions
FISHDIR    = $(PREFIX)/share/fish/vendor_completions.d
# Debian's packages have a place of their own.
ZSHDIR     = $(PREFIX)/share/zsh/$(if $(and $(filter /usr,$(PREFIX)),$(wildcard /etc/debian_version)),vendor-completions,site-functions)
DOCDIR     = $(PREFIX)/share/doc/stek
SYSCONFDIR = /etc
DESTDIR    =

CARGO   ?= cargo
INSTALL ?= install

# A compiler installed by rustup is found without the profile that names it, and before Debian's.
export PATH := $(HOME)/.cargo/bin:$(PATH)

# The binary lies in target/<triple of this host>/release; see .cargo/config.toml.
TARGET = $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
BIN    = $(firstword $(wildcard $(TARGET)/*/release/stek))

# What other systems get, built for this one; see src/sys/mod.rs.
FALLBACK = --config 'target."cfg(target_os = \"linux\")".rustflags=["--cfg", "stek_portable"]'

# Files that are shell scripts, for lint.
SCRIPTS = contrib/init.d/stek $(wildcard contrib/dev/* contrib/demo/run contrib/monitoring/stek-textfile bench/run bench/*.sh \
	tests/sh/run tests/sh/*.sh tests/boot/run)
# These are read by another one, and have no interpreter of their own.
PIECES = contrib/openrc/stek $(wildcard contrib/rc.d/*/stek tests/boot/*.sh)

sbindir = $(DESTDIR)$(SBINDIR)
man8dir = $(DESTDIR)$(MANDIR)/man8
docdir  = $(DESTDIR)$(DOCDIR)
etcdir  = $(DESTDIR)$(SYSCONFDIR)
bashdir = $(DESTDIR)$(BASHDIR)
fishdir = $(DESTDIR)$(FISHDIR)
zshdir  = $(DESTDIR)$(ZSHDIR)

DOCS = README.md CHANGELOG.md SECURITY.md doc/migrating.md LICENSE-MIT LICENSE-APACHE

.PHONY: all install uninstall demo test test-32 test-boot test-dist check-portable fuzz deb documents dist size lint bench clean

all:
	$(CARGO) build --release --locked

# The init script and the cron file name the binary; they are changed where it goes elsewhere.
# An existing default file stays: it is the administrator's.
install:
	@test -x '$(BIN)' || { echo 'make install: no binary: run make first' >&2; exit 1; }
	$(INSTALL) -d '$(sbindir)' '$(man8dir)' '$(docdir)' '$(etcdir)/init.d' '$(etcdir)/cron.d' '$(etcdir)/default'
	$(INSTALL) -m 755 '$(BIN)' '$(sbindir)/.stek.new'
	mv -f '$(sbindir)/.stek.new' '$(sbindir)/stek'
	for a in $$('$(BIN)' --list); do ln -sf stek "$(sbindir)/stek-$$a" || exit 1; done
	$(INSTALL) -m 644 man/*.8 '$(man8dir)'
	$(INSTALL) -d '$(bashdir)' '$(fishdir)' '$(zshdir)'
	$(INSTALL) -m 644 contrib/completions/stek.bash '$(bashdir)/stek'
	$(INSTALL) -m 644 contrib/completions/stek.fish '$(fishdir)'
	$(INSTALL) -m 644 contrib/completions/_stek '$(zshdir)'
	for a in $$('$(BIN)' --list); do \
		ln -sf stek "$(bashdir)/stek-$$a" && ln -sf stek.fish "$(fishdir)/stek-$$a.fish" || exit 1; \
	done
	$(INSTALL) -m 644 $(DOCS) '$(docdir)'
	sed 's|/usr/sbin/stek|$(SBINDIR)/stek|g' contrib/init.d/stek >'$(etcdir)/init.d/stek'
	chmod 755 '$(etcdir)/init.d/stek'
	sed 's|/usr/sbin/stek|$(SBINDIR)/stek|g' contrib/cron/stek >'$(etcdir)/cron.d/stek'
	chmod 644 '$(etcdir)/cron.d/stek'
	@if test -e '$(etcdir)/default/stek'; then \
		cmp -s contrib/default/stek '$(etcdir)/default/stek' || \
		echo 'make install: $(etcdir)/default/stek was changed and is left as it is'; \
	else \
		$(INSTALL) -m 644 contrib/default/stek '$(etcdir)/default/stek'; \
	fi

# The keys stay: stop first (service stek stop) to destroy them.
uninstall:
	for m in man/*.8; do rm -f "$(man8dir)/$${m##*/}"; done
	rm -f '$(sbindir)/stek' '$(etcdir)/init.d/stek' '$(etcdir)/cron.d/stek'
	rm -f '$(bashdir)/stek' '$(fishdir)/stek.fish' '$(zshdir)/_stek'
	for l in '$(sbindir)'/stek-* '$(man8dir)'/stek-*.8 '$(bashdir)'/stek-* '$(fishdir)'/stek-*.fish; do \
		case "$$(readlink "$$l")" in stek|stek.8|stek.fish) rm -f "$$l" ;; esac; \
	done
	for d in $(DOCS); do rm -f "$(docdir)/$${d##*/}"; done
	-test ! -d '$(docdir)' || rmdir '$(docdir)'
	@if cmp -s contrib/default/stek '$(etcdir)/default/stek'; then \
		rm -f '$(etcdir)/default/stek'; \
	elif test -e '$(etcdir)/default/stek'; then \
		echo 'make uninstall: $(etcdir)/default/stek was changed and is left'; \
	fi

demo:
	@contrib/dev/need demo
	@$(CARGO) build --quiet --release --locked
	@contrib/demo/run

test:
	@contrib/dev/need test
	@CARGO='$(CARGO)' contrib/dev/test

# Type-checks for systems and processors that are not here, with a standard library built from source.
check-portable:
	@contrib/dev/need portable
	@contrib/dev/portable check

# All tests, with a binary for 32 bits.
test-32:
	@contrib/dev/need test portable
	@contrib/dev/portable test-32

lint:
	@contrib/dev/need lint
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy $(FALLBACK) --locked --all-targets --target-dir $(TARGET)/fallback -- -D warnings
	shellcheck -x -s sh $(SCRIPTS) $(PIECES)
	shellcheck -s bash .ci/run
	shellcheck -s bash contrib/completions/stek.bash
	checkbashisms $(SCRIPTS)
	mandoc -T lint -W warning man/*.8

# What the table of applets says, written into manual pages and completions.
documents:
	STEK_WRITE_DOCUMENTS=1 $(CARGO) test --locked --test documents

bench:
	@contrib/dev/need bench
	@$(CARGO) build --quiet --release --locked
	@bench/run

# The package, in target/deb.
deb:
	@contrib/dev/need deb
	@contrib/dev/deb

# The release, in target/dist: the binary as small as it gets, its source, and what is inside.
dist:
	@contrib/dev/need dist
	@contrib/dev/dist

size: dist
	@contrib/dev/size

# The tests with that binary, and a second build in another place, which must give the same bytes.
test-dist: dist
	@contrib/dev/need test
	@contrib/dev/dist-again
	@CARGO='$(CARGO)' STEK='$(CURDIR)/target/dist/stek' contrib/dev/test

# Boots machines in namespaces: root is needed.
test-boot:
	@contrib/dev/need deb test-boot
	@contrib/dev/deb >/dev/null
	@tests/boot/run

# Every parser, for so many seconds each.
SECONDS = 60

fuzz:
	@contrib/dev/need fuzz
	@fuzz/run $(SECONDS)

clean:
	$(CARGO) clean

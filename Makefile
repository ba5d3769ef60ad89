# Every target only calls a script: the scripts work without make.
.PHONY: setup run test lint bench
setup run test lint bench:
	@scripts/$@

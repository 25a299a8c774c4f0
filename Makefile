# The commands of this repository. Everything they do is in `cargo xtask`.
#
#   make up      a cluster on this machine, from the sources
#   make down    nothing of it any more (PURGE=1: also the packages it installed)
#   make test    all tests, unit to end-to-end
#   make quick-test  the rules of the house and the tests that need neither a cluster nor a container runtime
#   make images  the image archives alone
#   make ci      what has to be green before a change is taken
#   make lab     two hosts with systemd on this machine: kubeadm init, join, traffic, reboot, drain, reset
#   make bench   the numbers: start-up, memory, throughput

# cargo may live where sudo's PATH does not look.
export PATH := $(PATH):$(HOME)/.cargo/bin:/root/.cargo/bin:/usr/local/cargo/bin
XTASK := cargo xtask

.PHONY: help up down test quick-test images ci bench lab

help:
	@sed -n 's/^#   //p' Makefile

up:
	@$(XTASK) up

down:
	@$(XTASK) down $(if $(PURGE),--purge)

test:
	@$(XTASK) test

# Packages whose tests touch nothing of the machine.
QUICK := machinery api-types golden rules scheduler-core scheduler kube-proxy-core kube-proxy cluster-dns \
	node-network controller-manager kubelet-core apiserver-auth apiserver-registry

quick-test:
	@$(XTASK) tidy
	@$(XTASK) codegen --check
	@cargo test $(addprefix -p ,$(QUICK)) --lib --tests

images:
	@$(XTASK) images

ci:
	@$(XTASK) ci

bench:
	@$(XTASK) bench

TARGET := $(or $(CARGO_TARGET_DIR),target)

lab: images
	@tests/lab/two-hosts.sh $(TARGET)/$$(rustc -vV | sed -n 's/^host: //p')/release $(TARGET)/deploy/images/release

"""The rules of examples/ccx/contracts/rules/ccx_v1, as rules of insights-core."""

def prepare(net, variables):
    return net, variables

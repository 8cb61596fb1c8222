#!/usr/bin/env python3
"""One training pass of each of the further backbones, as their authors' libraries train them on PyTorch.

`autodenoise-torch bench --engine tch --only pass/` does the same: a table of random ids with MovieLens-1M's field sizes,
networks of the same sizes, batches of 2048, dense Adam. What is slow for no reason is gone, as in pytorch_expert.py: the
dataset is one resident tensor, batches are slices, losses stay on the device, Adam is fused. The networks are written as
pytorch-fm and FuxiCTR lay them out: loops over fields where those loop, PyTorch's own modules where those use them.

It prints one JSON object a line: {"work": "pass/autoint", "rows": ..., "seconds": ..., "rows_per_s": ...}
Needs the complete `pip install torch==2.11.0 numpy`.
"""
import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import nn

from pytorch_expert import DIMS, Mlp, pairwise

FIELDS = len(DIMS)
PAIRS = [(i, j) for i in range(FIELDS) for j in range(i + 1, FIELDS)]


class Table(nn.Embedding):
    def __init__(self, width=16):
        super().__init__(sum(DIMS), width)
        nn.init.xavier_uniform_(self.weight)


class FirstOrder(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Embedding(sum(DIMS), 1)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.fc(x).sum((1, 2)) + self.bias


def plain_mlp(width, dims, drop, out):
    """Without BatchNorm, as FuxiCTR's models have it."""
    layers = []
    for dim in dims:
        layers += [nn.Linear(width, dim), nn.ReLU()] + [nn.Dropout(drop)] * (drop > 0)
        width = dim
    return nn.Sequential(*layers, *([nn.Linear(width, out)] if out else []))


class Lr(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = FirstOrder()

    def forward(self, x):
        return self.linear(x)


class Hofm(nn.Module):
    def __init__(self, order=3, e=16):
        super().__init__()
        self.linear, self.emb = FirstOrder(), Table(e * (order - 1))
        self.order, self.e = order, e

    def anova(self, v, order):
        a = v.new_ones(v.shape[0], FIELDS + 1, self.e)
        for t in range(order):
            below = v.new_zeros(v.shape[0], FIELDS + 1, self.e)
            below[:, t + 1:] = v[:, t:] * a[:, t:-1]
            a = below.cumsum(1)
        return a[:, -1].sum(1)

    def forward(self, x):
        v = self.emb(x)
        z = self.linear(x) + pairwise(v[:, :, :self.e])
        for t in range(3, self.order + 1):
            z = z + self.anova(v[:, :, (t - 2) * self.e:(t - 1) * self.e], t)
        return z


class FieldAware(nn.Module):
    def __init__(self, e=4):
        super().__init__()
        self.tables = nn.ModuleList(Table(e) for _ in DIMS)

    def forward(self, x):
        rows = [table(x) for table in self.tables]
        return torch.stack([rows[j][:, i] * rows[i][:, j] for i, j in PAIRS], 1)


class Ffm(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.ffm = FirstOrder(), FieldAware()

    def forward(self, x):
        return self.linear(x) + self.ffm(x).sum((1, 2))


class Fnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.mlp = Table(), Mlp(FIELDS * 16, (16, 16), 0.2, 1)

    def forward(self, x):
        return self.mlp(self.emb(x).flatten(1)).squeeze(1)


class Opnn(nn.Module):
    def __init__(self, e=16):
        super().__init__()
        self.emb, self.mlp = Table(e), Mlp(FIELDS * e + len(PAIRS), (16,), 0.2, 1)
        self.kernel = nn.Parameter(torch.empty(e, len(PAIRS), e))
        nn.init.xavier_uniform_(self.kernel)
        self.first, self.second = [i for i, _ in PAIRS], [j for _, j in PAIRS]

    def forward(self, x):
        v = self.emb(x)
        p, q = v[:, self.first], v[:, self.second]
        through = (p.unsqueeze(1) * self.kernel).sum(-1).permute(0, 2, 1)
        return self.mlp(torch.cat([v.flatten(1), (through * q).sum(-1)], 1)).squeeze(1)


class Nfm(nn.Module):
    def __init__(self, e=64):
        super().__init__()
        self.linear, self.emb = FirstOrder(), Table(e)
        self.norm = nn.Sequential(nn.BatchNorm1d(e), nn.Dropout(0.2))
        self.mlp = Mlp(e, (64,), 0.2, 1)

    def forward(self, x):
        v = self.emb(x)
        pairs = 0.5 * (v.sum(1).square() - v.square().sum(1))
        return self.linear(x) + self.mlp(self.norm(pairs)).squeeze(1)


class Fnfm(nn.Module):
    def __init__(self, e=4):
        super().__init__()
        self.linear, self.ffm, width = FirstOrder(), FieldAware(e), len(PAIRS) * e
        self.norm = nn.Sequential(nn.BatchNorm1d(width), nn.Dropout(0.2))
        self.mlp = Mlp(width, (64,), 0.2, 1)

    def forward(self, x):
        return self.linear(x) + self.mlp(self.norm(self.ffm(x).flatten(1))).squeeze(1)


class Ncf(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.mlp, self.fc = Table(), Mlp(FIELDS * 16, (16, 16), 0.2, 0), nn.Linear(32, 1)

    def forward(self, x):
        v = self.emb(x)
        return self.fc(torch.cat([v[:, 0] * v[:, 1], self.mlp(v.flatten(1))], 1)).squeeze(1)


class XDeepFm(nn.Module):
    def __init__(self, cin=(16, 16)):
        super().__init__()
        self.linear, self.emb, self.mlp = FirstOrder(), Table(), Mlp(FIELDS * 16, (16, 16), 0.2, 1)
        widths = (FIELDS, *cin)
        self.convolutions = nn.ModuleList(nn.Conv1d(FIELDS * width, dim, 1) for width, dim in zip(widths, cin))
        self.fc = nn.Linear(sum(cin), 1)

    def cin(self, v):
        outputs, h = [], v
        for convolution in self.convolutions:
            products = v.unsqueeze(2) * h.unsqueeze(1)
            h = F.relu(convolution(products.flatten(1, 2)))
            outputs.append(h)
        return self.fc(torch.cat(outputs, 1).sum(2))

    def forward(self, x):
        v = self.emb(x)
        return self.linear(x) + (self.cin(v) + self.mlp(v.flatten(1))).squeeze(1)


class Afm(nn.Module):
    def __init__(self, e=16, width=16):
        super().__init__()
        self.linear, self.emb = FirstOrder(), Table(e)
        self.attention, self.projection, self.fc = nn.Linear(e, width), nn.Linear(width, 1), nn.Linear(e, 1)
        self.first, self.second = [i for i, _ in PAIRS], [j for _, j in PAIRS]

    def forward(self, x):
        v = self.emb(x)
        products = v[:, self.first] * v[:, self.second]
        shares = F.softmax(self.projection(F.relu(self.attention(products))), 1)
        shares = F.dropout(shares, 0.2, self.training)
        pooled = F.dropout((shares * products).sum(1), 0.2, self.training)
        return self.linear(x) + self.fc(pooled).squeeze(1)


class AutoInt(nn.Module):
    def __init__(self, e=16, width=64, heads=2, layers=3):
        super().__init__()
        self.linear, self.emb = FirstOrder(), Table(e)
        self.tokens, self.around = nn.Linear(e, width), nn.Linear(e, width)
        self.layers = nn.ModuleList(nn.MultiheadAttention(width, heads) for _ in range(layers))
        self.fc, self.mlp = nn.Linear(FIELDS * width, 1), Mlp(FIELDS * e, (400, 400), 0.0, 1)

    def forward(self, x):
        v = self.emb(x)
        tokens = self.tokens(v).transpose(0, 1)
        for layer in self.layers:
            tokens, _ = layer(tokens, tokens, tokens)
        mixed = F.relu(tokens.transpose(0, 1) + self.around(v)).flatten(1)
        return self.linear(x) + (self.fc(mixed) + self.mlp(v.flatten(1))).squeeze(1)


class Afn(nn.Module):
    def __init__(self, e=16, neurons=1500):
        super().__init__()
        self.linear, self.emb = FirstOrder(), Table(e)
        self.weight = nn.Parameter(torch.empty(neurons, FIELDS).uniform_(-FIELDS ** -0.5, FIELDS ** -0.5))
        self.mlp = Mlp(neurons * e, (400, 400, 400), 0.0, 1)

    def forward(self, x):
        logarithms = torch.log1p(torch.abs(self.emb(x)) + 1e-7)
        products = F.relu(torch.expm1(torch.matmul(self.weight, logarithms)))
        return self.linear(x) + self.mlp(products.flatten(1)).squeeze(1)


class DcnV2(nn.Module):
    def __init__(self, e=16, layers=3):
        super().__init__()
        width = FIELDS * e
        self.emb, self.dnn = Table(e), plain_mlp(width, (64, 64), 0.2, 0)
        self.cross = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.fc = nn.Linear(width + 64, 1)

    def forward(self, x):
        x0 = self.emb(x).flatten(1)
        h = x0
        for layer in self.cross:
            h = h + x0 * layer(h)
        return self.fc(torch.cat([h, self.dnn(x0)], 1)).squeeze(1)


class Gdcn(nn.Module):
    def __init__(self, e=16, layers=3):
        super().__init__()
        width = FIELDS * e
        self.emb, self.dnn = Table(e), plain_mlp(width, (64, 64), 0.2, 0)
        self.weights = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(layers))
        self.gates = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(layers))
        self.biases = nn.ParameterList(torch.zeros(width) for _ in range(layers))
        self.fc = nn.Linear(width + 64, 1)

    def forward(self, x):
        x0 = self.emb(x).flatten(1)
        h = x0
        for weight, gate, bias in zip(self.weights, self.gates, self.biases):
            h = x0 * (weight(h) + bias) * torch.sigmoid(gate(h)) + h
        return self.fc(torch.cat([h, self.dnn(x0)], 1)).squeeze(1)


class MaskBlock(nn.Module):
    def __init__(self, flat, inputs, outputs):
        super().__init__()
        self.mask = nn.Sequential(nn.Linear(flat, inputs), nn.ReLU(), nn.Linear(inputs, inputs))
        self.hidden = nn.Sequential(
            nn.Linear(inputs, outputs, bias=False), nn.LayerNorm(outputs), nn.ReLU(), nn.Dropout(0.2))

    def forward(self, v, h):
        return self.hidden(self.mask(v) * h)


class MaskNet(nn.Module):
    def __init__(self, e=16, dims=(64, 64)):
        super().__init__()
        flat = FIELDS * e
        self.emb, self.norms = Table(e), nn.ModuleList(nn.LayerNorm(e) for _ in DIMS)
        widths = (flat, *dims)
        self.blocks = nn.ModuleList(MaskBlock(flat, *pair) for pair in zip(widths, widths[1:]))
        self.fc = nn.Linear(dims[-1], 1)

    def forward(self, x):
        v = self.emb(x)
        h = torch.cat([norm(part) for norm, part in zip(self.norms, v.unbind(1))], 1)
        v = v.flatten(1)
        for block in self.blocks:
            h = block(v, h)
        return self.fc(h).squeeze(1)


class FinalMlp(nn.Module):
    def __init__(self, e=16, dims=(64, 64), heads=2):
        super().__init__()
        flat, width = FIELDS * e, dims[-1]
        self.emb, self.heads, self.part = Table(e), heads, width // heads
        self.contexts = nn.ParameterList(torch.zeros(1, e) for _ in range(2))
        self.gates = nn.ModuleList(plain_mlp(e, (64,), 0.0, flat) for _ in range(2))
        self.towers = nn.ModuleList(plain_mlp(flat, dims, 0.2, 0) for _ in range(2))
        self.outputs = nn.ModuleList(nn.Linear(width, 1) for _ in range(2))
        self.product = nn.Parameter(torch.empty(heads * self.part ** 2, 1))
        nn.init.xavier_uniform_(self.product)

    def forward(self, x):
        v = self.emb(x).flatten(1)
        gated = [v * torch.sigmoid(gate(c.expand(len(v), -1))) * 2 for gate, c in zip(self.gates, self.contexts)]
        a, b = [tower(part) for tower, part in zip(self.towers, gated)]
        head_a, head_b = a.view(-1, self.heads, self.part), b.view(-1, self.heads, self.part)
        weight = self.product.view(self.heads, self.part, self.part)
        through = torch.matmul(head_a.unsqueeze(2), weight).squeeze(2)
        z = self.outputs[0](a) + self.outputs[1](b)
        return z.squeeze(1) + (through * head_b).sum((1, 2))


MODELS = {"lr": Lr, "hofm": Hofm, "ffm": Ffm, "fnn": Fnn, "opnn": Opnn, "nfm": Nfm, "fnfm": Fnfm, "ncf": Ncf,
          "xdeepfm": XDeepFm, "afm": Afm, "autoint": AutoInt, "afn": Afn, "dcnv2": DcnV2, "gdcn": Gdcn,
          "masknet": MaskNet, "finalmlp": FinalMlp}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--rows", type=int, default=800_167)
    a.add_argument("--batch", type=int, default=2048)
    a.add_argument("--device", default="cpu")
    a.add_argument("--threads", type=int, default=0)
    a.add_argument("--compile", action="store_true")
    a.add_argument("--only", default="", help="the work of this name, such as pass/afn; else all")
    a.add_argument("--repeat", type=int, default=2, help="the last one is reported")
    a = a.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    device = torch.device(a.device)
    synchronize = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    torch.manual_seed(0)
    offsets = torch.tensor([0] + DIMS[:-1]).cumsum(0)
    x = (torch.stack([torch.randint(d, (a.rows,)) for d in DIMS], 1) + offsets).to(device)
    y = torch.rand(a.rows).round().to(device)
    for name, model in MODELS.items():
        if a.only not in ("", "pass/", f"pass/{name}"):
            continue
        model = model().to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-6, fused=True)
        forward = torch.compile(model) if a.compile else model
        for _ in range(a.repeat):
            synchronize()
            started = time.perf_counter()
            for i in range(0, a.rows, a.batch):
                loss = F.binary_cross_entropy_with_logits(forward(x[i:i + a.batch]), y[i:i + a.batch])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
            synchronize()
            seconds = time.perf_counter() - started
        print(json.dumps({"work": f"pass/{name}", "rows": a.rows, "seconds": round(seconds, 4),
                          "rows_per_s": round(a.rows / seconds)}), flush=True)


if __name__ == "__main__":
    main()

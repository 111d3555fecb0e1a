package nft

// EachExpr visits what a statement reads and sets, and all that it is made of, parts
// before the whole.
func EachExpr(st Stmt, visit func(Expr)) {
	switch st := st.(type) {
	case *Match:
		eachExpr(st.Left, visit)
	case *VMap:
		eachExpr(st.Left, visit)
	case *Mangle:
		eachExpr(st.Left, visit)
		eachExpr(st.Value.Src, visit)
	case *Assign:
		eachExpr(st.Left, visit)
		eachExpr(st.Value, visit)
	case *SetUpdate:
		eachExpr(st.Key, visit)
		eachExpr(st.Data, visit)
	case *ObjectRef:
		eachExpr(st.Key, visit)
	case *NAT:
		eachExpr(st.Addr, visit)
		eachExpr(st.Port, visit)
	case *TProxy:
		eachExpr(st.Addr, visit)
		eachExpr(st.Port, visit)
	case *Dup:
		eachExpr(st.Addr, visit)
		eachExpr(st.Device, visit)
	case *Forward:
		eachExpr(st.Addr, visit)
		eachExpr(st.Device, visit)
	case *Queue:
		eachExpr(st.Queue, visit)
	}
}

func eachExpr(e Expr, visit func(Expr)) {
	switch e := e.(type) {
	case nil:
		return
	case *Masked:
		eachExpr(e.E, visit)
	case *Concat:
		for _, part := range e.Es {
			eachExpr(part, visit)
		}
	case *Binop:
		eachExpr(e.L, visit)
		eachExpr(e.R, visit)
	case *MapLookup:
		eachExpr(e.Key, visit)
	case *Hash:
		eachExpr(e.E, visit)
	}
	visit(e)
}

// withExprs is a copy of a statement with what f makes of its expressions; of one that
// has none the statement itself.
func withExprs(st Stmt, f func(Expr) Expr) Stmt {
	of := func(e Expr) Expr {
		if e == nil {
			return nil
		}
		return f(e)
	}
	switch st := st.(type) {
	case *Match:
		x := *st
		x.Left = of(st.Left)
		return &x
	case *VMap:
		x := *st
		x.Left = of(st.Left)
		return &x
	case *Mangle:
		x := *st
		x.Left, x.Value.Src = of(st.Left), of(st.Value.Src)
		return &x
	case *Assign:
		x := *st
		x.Left, x.Value = of(st.Left), of(st.Value)
		return &x
	case *SetUpdate:
		x := *st
		x.Key, x.Data = of(st.Key), of(st.Data)
		return &x
	case *ObjectRef:
		x := *st
		x.Key = of(st.Key)
		return &x
	case *NAT:
		x := *st
		x.Addr, x.Port = of(st.Addr), of(st.Port)
		return &x
	case *TProxy:
		x := *st
		x.Addr, x.Port = of(st.Addr), of(st.Port)
		return &x
	case *Dup:
		x := *st
		x.Addr, x.Device = of(st.Addr), of(st.Device)
		return &x
	case *Forward:
		x := *st
		x.Addr, x.Device = of(st.Addr), of(st.Device)
		return &x
	case *Queue:
		x := *st
		x.Queue = of(st.Queue)
		return &x
	}
	return st
}

// withParts is a copy of an expression with what f makes of its parts; of one that has
// none the expression itself.
func withParts(e Expr, f func(Expr) Expr) Expr {
	switch e := e.(type) {
	case *Masked:
		return &Masked{E: f(e.E), Mask: e.Mask}
	case *Concat:
		x := &Concat{}
		for _, p := range e.Es {
			x.Es = append(x.Es, f(p))
		}
		return x
	case *Binop:
		return &Binop{Op: e.Op, L: f(e.L), R: f(e.R)}
	case *MapLookup:
		return &MapLookup{Key: f(e.Key), Set: e.Set}
	case *Hash:
		x := *e
		if e.E != nil {
			x.E = f(e.E)
		}
		return &x
	}
	return e
}

// stmtSets calls f for each set a statement uses.
func stmtSets(st Stmt, f func(*Set)) {
	EachExpr(st, func(e Expr) {
		if m, ok := e.(*MapLookup); ok {
			f(m.Set)
		}
	})
	switch st := st.(type) {
	case *VMap:
		f(st.Set)
	case *Match:
		if ref, ok := st.Right.(*SetRef); ok {
			f(ref.Set)
		}
	case *ObjectRef:
		if st.Set != nil {
			f(st.Set)
		}
	case *SetUpdate:
		f(st.Set)
	}
}

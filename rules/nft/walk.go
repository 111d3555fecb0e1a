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

(* Where the iterations of five claims end, over any archimedean field, the real numbers among them. A theorem under a
   comment [remains of] proves that line of the certified theorem that it names, of [gd_step], [sgd_pass] and the
   like in Convergence.v: for gradient descent these iterates are shown to be those of the certified induction; that a
   pass and a step with momentum are those of the certified theorems is for a reader to see.
   [iter T f x] is f applied T times to x. *)

From Muso Require Import Algebra Convergence lemma implicit_bias gd_finite_time adaptive_optimizer.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Import order.Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* The certified induction on these very iterates. *)
Lemma implicit_bias_iterates (R : realFieldType) n D c Phi t v Phi_pinv g (eta : R) T :
  @implicit_bias_all_steps_built R n D c Phi t v Phi_pinv g eta%:M
    (iter T (gd_step Phi t eta) v) (gd_matrix Phi eta T).
Proof.
elim: T => [|T IH]; first exact: implicit_bias_all_steps_base.
by eapply implicit_bias_all_steps_step; [rewrite mul_scalar_mx | | exact: IH].
Qed.

Lemma gd_finite_time_iterates (R : realFieldType) n D c r f Phi y w_0 S_R S_F Phi_R Phi_F y_R Phi_pinv Phi_R_pinv
    w_p w_r (eta : R) T :
  @gd_finite_time_all_steps_built R n D c r f Phi y w_0 S_R S_F Phi_R Phi_F y_R Phi_pinv Phi_R_pinv w_p w_r eta%:M
    (iter T (gd_step Phi (S_R^T *m y_R + S_F^T *m Phi_F *m w_r) eta) w_p) (gd_matrix Phi eta T).
Proof.
elim: T => [|T IH]; first exact: gd_finite_time_all_steps_base.
by eapply gd_finite_time_all_steps_step; [reflexivity | rewrite mul_scalar_mx | | exact: IH].
Qed.

Lemma pinv_inside (R : realFieldType) n D (Phi : 'M[R]_(n, D)) Phi_pinv : is_pinv Phi Phi_pinv ->
  Phi_pinv = Phi^T *m (Phi_pinv^T *m Phi_pinv).
Proof. by move=> pinv; have [_ [_ [_ e]]] := lemma_pseudo_inverse _ _ _ _ _ pinv; rewrite mulmxA. Qed.

Lemma start_inside (R : realFieldType) n D c (Phi : 'M[R]_(n, D)) (t : 'M_(n, c)) v Phi_pinv g :
  is_pinv Phi Phi_pinv -> g = v + Phi_pinv *m (t - Phi *m v) -> exists z, v - g = Phi^T *m z.
Proof.
move=> pinv ->; exists (- (Phi_pinv^T *m Phi_pinv *m (t - Phi *m v))).
by rewrite mulmxN mulmxA -(pinv_inside pinv) opprD addrA subrr add0r.
Qed.

Lemma no_gradient (R : realFieldType) n D c (Phi : 'M[R]_(n, D)) (t : 'M_(n, c)) v Phi_pinv g :
  is_pinv Phi Phi_pinv -> g = v + Phi_pinv *m (t - Phi *m v) -> Phi^T *m (t - Phi *m g) = 0.
Proof. by move=> pinv eg; have [] := lemma_update _ _ _ _ _ _ _ _ pinv _ eg. Qed.

(* remains of implicit-bias/contraction: for H = eta I and 0 < eta < 2/lambda_max, where ||Phi u||^2 <=
   lambda_max ||u||^2 for every u, the distance tends to 0 geometrically *)
Theorem gradient_descent_converges : forall (R : archiFieldType) (n D c : nat),
  forall (Phi : 'M[R]_(n, D)) (t : 'M[R]_(n, c)) (v : 'M[R]_(D, c)),
  forall (Phi_pinv : 'M[R]_(D, n)), is_pinv Phi Phi_pinv ->
  forall (g : 'M[R]_(D, c)), g = v + Phi_pinv *m (t - Phi *m v) ->
  forall (L : R), 0 <= L -> at_most Phi L ->
  forall (eta : R), 0 < eta -> eta * L < 2%:R ->
  (exists2 q, 0 <= q < 1 &
    forall T, sqnorm (iter T (gd_step Phi t eta) v - g) <= q ^+ T * sqnorm (v - g)) /\
  tends_to (fun T => iter T (gd_step Phi t eta) v) g.
Proof.
move=> R n D c Phi t v Phi_pinv pinv g eg L L_ge0 most eta eta_gt0 small.
have [l l_gt0 least] := at_least_exists Phi; have [z inside] := start_inside pinv eg.
pose d := eta * (1 + 1 - eta * L) * l.
have d_gt0 : 0 < d by rewrite !mulr_gt0 // subr_gt0.
have shorter (e : 'M_(D, c)) z' : e = Phi^T *m z' -> sqnorm (gd_error Phi eta e) <= Num.max 0 (1 - d) * sqnorm e.
  move=> eE; apply: le_trans (gd_shortens (ltW eta_gt0) (ltW small) L_ge0 most least eE) _.
  by apply: ler_wpmul2r; rewrite ?sqnorm_ge0 // le_maxr lexx orbT.
have q_01 : 0 <= Num.max 0 (1 - d) < 1 by rewrite le_maxr lexx /= lt_maxl ltr01 ltr_subl_addr ltr_addl.
have [q_ge0 _] := andP q_01.
have rate T : sqnorm (iter T (gd_step Phi t eta) v - g) <= Num.max 0 (1 - d) ^+ T * sqnorm (v - g).
  rewrite (implicit_bias_all_steps _ _ _ _ _ _ _ _ pinv _ eg _ _ _ (implicit_bias_iterates _ _ _ _ _ eta T)).
  exact: gd_power inside.
by split; [exists (Num.max 0 (1 - d)) | exact: geometric rate].
Qed.

(* From 2 / L on, with L an eigenvalue, a run whose error begins as an eigenvector of L tends to nothing. *)
Theorem gradient_descent_stays_away : forall (R : archiFieldType) (n D c : nat),
  forall (Phi : 'M[R]_(n, D)) (t : 'M[R]_(n, c)) (g : 'M[R]_(D, c)), Phi^T *m (t - Phi *m g) = 0 ->
  forall (L : R) (u : 'M[R]_(D, c)), Phi^T *m (Phi *m u) = L *: u -> u <> 0 ->
  forall (eta : R), 2%:R <= eta * L ->
  forall h : 'M[R]_(D, c), ~ tends_to (fun T => iter T (gd_step Phi t eta) (g + u)) h.
Proof.
move=> R n D c Phi t g rest L u eigen u_neq0 eta large h limit.
have away T : iter T (gd_step Phi t eta) (g + u) = g + (1 - eta * L) ^+ T *: u.
  elim: T => [|T IH]; first by rewrite expr0 scale1r.
  rewrite iterS IH /gd_step -scalemxAl (mulmxDr Phi g) opprD addrA mulmxDr rest add0r mulmxN -scalemxAr -scalemxAr eigen.
  by rewrite -addrA scalerN !scalerA -scalerBl exprSr mulrBr mulr1 [eta * (_ ^+ _)]mulrC -mulrA.
case: u_neq0; apply/matrixP=> i j; rewrite mxE; apply/eqP/negPn/negP=> u_ij.
have u_gt0 : 0 < `|u i j| by rewrite normr_gt0.
have [N near] := limit _ u_gt0.
(* Two iterates in a row are 2 |u| apart, so not both within |u| of one matrix. *)
have := ltr_add (near N (leqnn N) i j) (near N.+1 (leqnSn N) i j).
rewrite ltNge; case/negP; rewrite [X in _ <= X + _]distrC; apply: le_trans (ler_norm_add _ _).
rewrite addrC addrA subrK !away !mxE opprD addrACA subrr add0r -mulrBl exprS -{2}[_ ^+ N]mul1r -mulrBl.
rewrite addrAC subrr add0r !normrM normrN -mulr2n -mulr_natl; apply: ler_wpmul2r; first exact: normr_ge0.
rewrite -[X in X <= _]mulr1 normrX; apply: ler_pmul; rewrite ?ler0n ?ler01 //.
  exact: le_trans large (ler_norm _).
rewrite exprn_ege1 // ler_normr opprB (_ : 1 <= eta * L - 1) ?orbT // ler_subr_addr.
exact: large.
Qed.


(* remains of gd-finite-time/all-steps: the time to accuracy: if 0 < eta <= 1/lambda_max, ||w_T - w_r||^2 <=
   (1 - eta lambda_min)^(2T) ||w_p - w_r||^2, where ||Phi u||^2 <= lambda_max ||u||^2 for every u, and
   ||Phi u||^2 >= lambda_min ||u||^2 with 0 < lambda_min <= lambda_max for every u in the row space *)
Theorem gradient_descent_rate : forall (R : archiFieldType) (n D c r f : nat),
  forall (Phi : 'M[R]_(n, D)) (y : 'M[R]_(n, c)) (w_0 : 'M[R]_(D, c)),
  forall (S_R : 'M[R]_(r, n)) (S_F : 'M[R]_(f, n)), row_partition S_R S_F ->
  forall (Phi_R : 'M[R]_(r, D)), Phi_R = S_R *m Phi ->
  forall (Phi_F : 'M[R]_(f, D)), Phi_F = S_F *m Phi ->
  forall (y_R : 'M[R]_(r, c)), y_R = S_R *m y ->
  forall (Phi_pinv : 'M[R]_(D, n)), is_pinv Phi Phi_pinv ->
  forall (Phi_R_pinv : 'M[R]_(D, r)), is_pinv Phi_R Phi_R_pinv ->
  forall (w_p : 'M[R]_(D, c)), w_p = w_0 + Phi_pinv *m (y - Phi *m w_0) ->
  forall (w_r : 'M[R]_(D, c)), w_r = w_0 + Phi_R_pinv *m (y_R - Phi_R *m w_0) ->
  forall (ytilde : 'M[R]_(n, c)), ytilde = S_R^T *m y_R + S_F^T *m Phi_F *m w_r ->
  forall (L l : R), at_most Phi L -> at_least Phi l -> 0 < l <= L ->
  forall (eta : R), 0 < eta -> eta * L <= 1 ->
  [/\ 0 <= 1 - eta * l < 1,
    forall T, sqnorm (iter T (gd_step Phi ytilde eta) w_p - w_r) <= (1 - eta * l) ^+ (2 * T) * sqnorm (w_p - w_r) &
    tends_to (fun T => iter T (gd_step Phi ytilde eta) w_p) w_r].
Proof.
move=> R n D c r f Phi y w_0 S_R S_F rows Phi_R eR Phi_F eF y_R ey Phi_pinv pinv Phi_R_pinv pinv_R.
move=> w_p ep w_r er ytilde et L l most least /andP[l_gt0 l_le_L] eta eta_gt0 small.
have [z inside] : exists z, w_p - w_r = Phi^T *m z.
  exists (Phi_pinv^T *m Phi_pinv *m (y - Phi *m w_0)
    - S_R^T *m (Phi_R_pinv^T *m Phi_R_pinv *m (y_R - Phi_R *m w_0))).
  have on : Phi^T *m (Phi_pinv^T *m Phi_pinv *m (y - Phi *m w_0)) = Phi_pinv *m (y - Phi *m w_0).
    by rewrite mulmxA -(pinv_inside pinv).
  have on_R : Phi^T *m (S_R^T *m (Phi_R_pinv^T *m Phi_R_pinv *m (y_R - Phi_R *m w_0)))
      = Phi_R_pinv *m (y_R - Phi_R *m w_0).
    by rewrite mulmxA -trmx_mul -eR mulmxA -(pinv_inside pinv_R).
  by rewrite mulmxBr on on_R ep er opprD addrACA subrr add0r.
have q_ge0 : 0 <= 1 - eta * l by rewrite subr_ge0; apply: le_trans (ler_wpmul2l (ltW eta_gt0) l_le_L) small.
have q_lt1 : 1 - eta * l < 1 by rewrite ltr_subl_addr ltr_addl mulr_gt0.
have rate T : sqnorm (iter T (gd_step Phi ytilde eta) w_p - w_r)
    <= (1 - eta * l) ^+ (2 * T) * sqnorm (w_p - w_r).
  have built := @gd_finite_time_iterates R n D c r f Phi y w_0 S_R S_F Phi_R Phi_F y_R Phi_pinv Phi_R_pinv w_p w_r eta T.
  rewrite et (gd_finite_time_all_steps _ _ _ _ _ _ _ _ _ _ _ rows _ eR _ eF _ ey _ pinv _ pinv_R _ ep _ er _ _ _ built).
  rewrite exprM; apply: gd_power inside; first by rewrite exprn_ge0.
  by move=> e z' eE; rewrite expr2; apply: gd_rate most least _ _ _ eE => //; exact: ltW.
split; [by rewrite q_ge0 | exact: rate |].
apply: (@geometric _ _ _ _ _ ((1 - eta * l) ^+ 2) (sqnorm (w_p - w_r))) => [|T]; last by rewrite -exprM.
by rewrite exprn_ge0 //= exprn_ilt1.
Qed.

(* remains of inexact-training/all-steps: the rate: if 0 < eta <= 1/lambda_max, ||w_T - w_r||^2 <=
   (1 - eta lambda_min)^(2T) ||P (s - w_r)||^2 + ||(I - P) (s - w_0)||^2, where ||Phi u||^2 <= lambda_max ||u||^2 for
   every u, and ||Phi u||^2 >= lambda_min ||u||^2 with 0 < lambda_min <= lambda_max for every u in the row space *)
Theorem inexact_training_rate : forall (R : realFieldType) (n D c r f : nat),
  forall (Phi : 'M[R]_(n, D)) (y : 'M[R]_(n, c)) (w_0 : 'M[R]_(D, c)),
  forall (S_R : 'M[R]_(r, n)) (S_F : 'M[R]_(f, n)), row_partition S_R S_F ->
  forall (Phi_R : 'M[R]_(r, D)), Phi_R = S_R *m Phi ->
  forall (Phi_F : 'M[R]_(f, D)), Phi_F = S_F *m Phi ->
  forall (y_R : 'M[R]_(r, c)), y_R = S_R *m y ->
  forall (Phi_pinv : 'M[R]_(D, n)), is_pinv Phi Phi_pinv ->
  forall (Phi_R_pinv : 'M[R]_(D, r)), is_pinv Phi_R Phi_R_pinv ->
  forall (w_r : 'M[R]_(D, c)), w_r = w_0 + Phi_R_pinv *m (y_R - Phi_R *m w_0) ->
  forall (P : 'M[R]_(D, D)), P = Phi_pinv *m Phi ->
  forall (s : 'M[R]_(D, c)) (ytilde : 'M[R]_(n, c)), ytilde = S_R^T *m y_R + S_F^T *m Phi_F *m w_r ->
  forall (L l : R), at_most Phi L -> at_least Phi l -> 0 < l <= L ->
  forall (eta : R), 0 < eta -> eta * L <= 1 ->
  0 <= 1 - eta * l < 1 /\
  forall T, sqnorm (iter T (gd_step Phi ytilde eta) s - w_r)
    <= (1 - eta * l) ^+ (2 * T) * sqnorm (P *m (s - w_r)) + sqnorm ((1%:M - P) *m (s - w_0)).
Proof.
move=> R n D c r f Phi y w_0 S_R S_F rows Phi_R eR Phi_F eF y_R ey Phi_pinv pinv Phi_R_pinv pinv_R w_r er P eP s.
move=> ytilde et L l most least /andP[l_gt0 l_le_L] eta eta_gt0 small.
(* Training from s tends to g, which is off w_r by what the start has off the row space. *)
pose g := s + Phi_pinv *m (ytilde - Phi *m s); pose off := (1%:M - P) *m (s - w_0).
have [z inside] : exists z, s - g = Phi^T *m z by exact: start_inside pinv (erefl g).
have offE : g - w_r = off.
  by apply: (adaptive_optimizer_gap _ _ _ _ _ _ _ _ _ _ _ rows _ eR _ eF _ ey _ pinv _ pinv_R _ er s);
    rewrite /g /off ?et ?eP.
have PPhi : P *m Phi^T = Phi^T by rewrite eP; have [_ []] := lemma_pseudo_inverse _ _ _ _ _ pinv.
have PhiP : Phi *m P = Phi by have [one _ _ _] := pinv; rewrite eP mulmxA.
have PP : P *m P = P by rewrite {1}eP -mulmxA PhiP -eP.
have P_off : P *m off = 0 by rewrite /off mulmxA (mulmxBr P) mulmx1 PP subrr mul0mx.
have Phi_off : Phi *m off = 0 by rewrite /off mulmxA (mulmxBr Phi) mulmx1 PhiP subrr mul0mx.
have on : s - g = P *m (s - w_r).
  have -> : s - w_r = (s - g) + off by rewrite -offE addrA subrK.
  by rewrite mulmxDr P_off addr0 inside mulmxA PPhi.
have q_ge0 : 0 <= 1 - eta * l by rewrite subr_ge0; apply: le_trans (ler_wpmul2l (ltW eta_gt0) l_le_L) small.
split; first by rewrite q_ge0 ltr_subl_addr ltr_addl mulr_gt0.
move=> T; have -> : iter T (gd_step Phi ytilde eta) s - w_r = (iter T (gd_step Phi ytilde eta) s - g) + off.
  by rewrite -offE addrA subrK.
rewrite (implicit_bias_all_steps _ _ _ _ _ _ _ _ pinv _ (erefl g) _ _ _ (implicit_bias_iterates _ _ _ _ _ eta T)).
have [z' insideT] : exists z', gd_matrix Phi eta T *m (s - g) = Phi^T *m z'.
  elim: T => [|T [z' IH]]; first by exists z; rewrite mul1mx.
  rewrite /gd_matrix iterS -/(gd_matrix Phi eta T) -mulmxA gd_errorE; exact: gd_error_inside IH.
have apart : dot (gd_matrix Phi eta T *m (s - g)) off = 0.
  by rewrite insideT dot_mull trmxK Phi_off /dot mulmx0 mxtrace0.
rewrite sqnorm_add apart addr0 addr0 -on -/off.
rewrite ler_add2r exprM; apply: gd_power inside; first by rewrite exprn_ge0.
by move=> e z0 eE; rewrite expr2; apply: gd_rate most least _ _ _ eE => //; exact: ltW.
Qed.

(* remains of cyclic-sgd/contraction: on consistent targets, if 0 < gamma ||phi||^2 < 2 for every sample, passes in
   any fixed order that visits all tend geometrically to v + A^+ (t - A v) *)
Theorem cyclic_sgd_converges : forall (R : archiFieldType) (n D c : nat),
  forall (Phi : 'M[R]_(n, D)) (t : 'M[R]_(n, c)) (v : 'M[R]_(D, c)),
  forall (z : 'M[R]_(D, c)), t = Phi *m z ->
  forall (Phi_pinv : 'M[R]_(D, n)), is_pinv Phi Phi_pinv ->
  forall (g : 'M[R]_(D, c)), g = v + Phi_pinv *m (t - Phi *m v) ->
  forall (gamma : 'I_n -> R), (forall i, 0 < gamma i) -> (forall i, gamma i * sqnorm (row i Phi) < 2%:R) ->
  forall (order : seq 'I_n), (forall i, i \in order) ->
  (exists2 q, 0 <= q < 1 &
    forall T, sqnorm (iter T (sgd_pass Phi t gamma order) v - g) <= q ^+ T * sqnorm (v - g)) /\
  tends_to (fun T => iter T (sgd_pass Phi t gamma order) v) g.
Proof.
move=> R n D c Phi t v z fits Phi_pinv pinv g eg gamma pos small order visited.
have is_safe i : safe Phi gamma i by split; [exact: pos | exact: small].
have [q q_01 shorter] := pass_shortens c is_safe visited; have [q_ge0 _] := andP q_01.
have fit : Phi *m g = t.
  have [one _ _ _] := pinv.
  by rewrite eg mulmxDr fits -mulmxBr !mulmxA one -mulmxDr addrC subrK.
have visit w i : sgd_visit Phi t gamma w i - g = sgd_error Phi gamma (w - g) i.
  rewrite /sgd_visit /sgd_error -{1}fit row_mul -mulmxBr -(opprB w g) mulmxN mulmxN -scalemxAl.
  by rewrite addrAC.
have pass w : sgd_pass Phi t gamma order w - g = foldl (sgd_error Phi gamma) (w - g) order.
  rewrite /sgd_pass; elim: order w {visited shorter} => [|i s IH] w //=; by rewrite IH visit.
have [z0 inside] := start_inside pinv eg.
have rate T : (exists z', iter T (sgd_pass Phi t gamma order) v - g = Phi^T *m z') /\
    sqnorm (iter T (sgd_pass Phi t gamma order) v - g) <= q ^+ T * sqnorm (v - g).
  elim: T => [|T [[z' IHz] IH]]; first by rewrite mul1r; split; first exists z0.
  rewrite iterS pass; split; first exact: pass_inside IHz.
  by apply: le_trans (shorter _ _ IHz) _; rewrite exprS -mulrA ler_wpmul2l.
have rate' T : _ := proj2 (rate T).
by split; [exists q | exact: geometric rate'].
Qed.

Section Momentum.

Variables (R : archiFieldType) (n D c : nat) (Phi : 'M[R]_(n, D)) (t : 'M[R]_(n, c)).
Variables (L : R) (L_ge0 : 0 <= L) (most : at_most Phi L) (eta b : R) (eta_gt0 : 0 < eta).

Let A := eta *: (Phi^T *m Phi).

Let A_sym : A^T = A.
Proof. by rewrite /A linearZ /= trmx_mul trmxK. Qed.

Let A_inside : A *m Phi^T = Phi^T *m (eta *: (Phi *m Phi^T)).
Proof. by rewrite /A -scalemxAl -scalemxAr !mulmxA. Qed.

Let AE (e : 'M_(D, c)) : A *m e = eta *: Phi^T *m (Phi *m e).
Proof. by rewrite /A -!scalemxAl mulmxA. Qed.

Let A_form (e : 'M_(D, c)) : dot e (A *m e) = eta * sqnorm (Phi *m e).
Proof. by rewrite /A -scalemxAl dotZr -mulmxA dot_mulr trmxK. Qed.

Let A_most (e : 'M_(D, c)) : dot e (A *m e) <= eta * L * sqnorm e.
Proof. by rewrite A_form -mulrA ler_pmul2l //; exact: at_most_matrix. Qed.

Let A_least : exists2 l, 0 < l & forall (e : 'M_(D, c)) z, e = Phi^T *m z -> l * sqnorm e <= dot e (A *m e).
Proof.
have [l l_gt0 least] := at_least_exists Phi; exists (eta * l) => [|e z eE]; first exact: mulr_gt0.
by rewrite A_form -mulrA ler_pmul2l //; exact: at_least_matrix eE.
Qed.

Lemma gradient w g : Phi^T *m (t - Phi *m g) = 0 -> gd_step Phi t eta w - g = (w - g) - eta *: (Phi^T *m Phi) *m (w - g).
Proof.
move=> rest; have -> : gd_step Phi t eta w = w - A *m (w - g); last by rewrite addrAC.
have -> : A *m (w - g) = eta *: (Phi^T *m (Phi *m (w - g))) by rewrite /A -scalemxAl -mulmxA.
rewrite /gd_step -scalemxAl; have -> : t - Phi *m w = (t - Phi *m g) - Phi *m (w - g).
  by rewrite mulmxBr opprB addrA subrK.
by rewrite (mulmxBr Phi^T) rest sub0r scalerN.
Qed.

(* Heavy ball has b' = 0, Nesterov's method b' = b. *)
Variables (b' : R) (b'_ge0 : 0 <= b') (b_lt1 : b < 1) (small : eta * L * (1 + (b' + b')) < (1 + b) + (1 + b)).

Let P := (1%:M + b%:M) - (A + b' *: A).
Let B := b%:M - b' *: A.

Let momentum_shrinks : exists2 q, 0 <= q < 1 & forall (x y : 'M_(D, c)),
  (exists z, x = Phi^T *m z) -> (exists z, y = Phi^T *m z) ->
  exists K, forall T, sqnorm (two_steps P B T (x, y)).1 <= q ^+ T * K.
Proof.
have tr_sub m (X Y : 'M[R]_m) : (X - Y)^T = X^T - Y^T by rewrite linearB.
have tr_add m (X Y : 'M[R]_m) : (X + Y)^T = X^T + Y^T by rewrite linearD.
have tr_scale m x (X : 'M[R]_m) : (x *: X)^T = x *: X^T by rewrite linearZ.
have P_sym : P^T = P by rewrite /P tr_sub !tr_add (tr_scale _ b' A) trmx1 tr_scalar_mx A_sym.
have B_sym : B^T = B by rewrite /B tr_sub (tr_scale _ b' A) tr_scalar_mx A_sym.
pose A' := eta *: (Phi *m Phi^T).
have P_inside : P *m Phi^T = Phi^T *m ((1%:M + b%:M) - (A' + b' *: A')).
  rewrite /P mulmxBl mulmxBr !mulmxDl !mulmxDr -(scalemxAl b' A) -(scalemxAr b' Phi^T A') A_inside.
  by rewrite mul1mx mulmx1 mul_scalar_mx mul_mx_scalar.
have B_inside : B *m Phi^T = Phi^T *m (b%:M - b' *: A').
  by rewrite /B mulmxBl mulmxBr -(scalemxAl b' A) -(scalemxAr b' Phi^T A') A_inside mul_scalar_mx mul_mx_scalar.
have B_form (e : 'M_(D, c)) : dot e (B *m e) = b * sqnorm e - b' * dot e (A *m e).
  by rewrite /B mulmxBl mul_scalar_mx -(scalemxAl b' A) dotDr dotNr !dotZr.
have P_form (e : 'M_(D, c)) : dot e (P *m e) = (1 + b) * sqnorm e - (1 + b') * dot e (A *m e).
  rewrite /P mulmxBl !mulmxDl mul1mx mul_scalar_mx -(scalemxAl b' A) dotDr dotNr !(dotDr, dotZr).
  by rewrite !mulrDl !mul1r.
have [l l_gt0 least] := A_least.
pose h := (1 + b + (1 + b)) - eta * L * (1 + (b' + b')); have h_gt0 : 0 < h by rewrite subr_gt0.
pose a := Num.min l (Num.min h (1 - b)).
have a_gt0 : 0 < a by rewrite !lt_minr l_gt0 h_gt0 subr_gt0.
have a_le_l : a <= l by rewrite /a le_minl lexx.
have a_le_h : a <= h by rewrite /a !le_minl lexx orbT.
have a_le_b : a <= 1 - b by rewrite /a !le_minl lexx !orbT.
have F_above (e : 'M_(D, c)) : (exists z, e = Phi^T *m z) -> a * sqnorm e <= dot e ((1%:M + B - P) *m e).
  case=> z eE; have -> : 1%:M + B - P = A.
    rewrite /B /P; move: (1%:M : 'M[R]_D) (b%:M : 'M[R]_D) (b' *: A) A => one bb m x.
    by apply/matrixP=> i j; rewrite !mxE; exact: momentum_below.
  by apply: le_trans (least _ _ eE); apply: ler_wpmul2r; rewrite ?sqnorm_ge0.
have H_above (e : 'M_(D, c)) : (exists z, e = Phi^T *m z) -> a * sqnorm e <= dot e ((1%:M + B + P) *m e).
  move=> _; have -> : dot e ((1%:M + B + P) *m e) = sqnorm e + dot e (B *m e) + dot e (P *m e).
    by rewrite !mulmxDl mul1mx !dotDr.
  rewrite -subr_ge0 B_form P_form (momentum_above _ _ _ (eta * L)) addr_ge0 ?mulr_ge0 ?sqnorm_ge0 //.
  - by rewrite subr_ge0 [_ * (eta * L)]mulrC.
  - by rewrite addr_ge0 ?ler01 // addr_ge0.
  - by rewrite subr_ge0.
have B_below (e : 'M_(D, c)) : (exists z, e = Phi^T *m z) -> a * sqnorm e <= dot e ((1%:M - B) *m e).
  move=> _; have -> : dot e ((1%:M - B) *m e) = sqnorm e - dot e (B *m e) by rewrite mulmxBl mul1mx dotDr dotNr.
  rewrite B_form momentum_decay ler_paddr //; last by apply: ler_wpmul2r; rewrite ?sqnorm_ge0.
  by rewrite mulr_ge0 // A_form mulr_ge0 ?sqnorm_ge0 // ltW.
exact: (two_steps_shrink P_sym B_sym P_inside B_inside a_gt0 F_above H_above B_below).
Qed.

Let PE (e : 'M_(D, c)) : P *m e = (e + b *: e) - (A *m e + b' *: (A *m e)).
Proof. by rewrite /P mulmxBl !mulmxDl mul1mx mul_scalar_mx -(scalemxAl b' A). Qed.

Let BE (e : 'M_(D, c)) : B *m e = b *: e - b' *: (A *m e).
Proof. by rewrite /B mulmxBl mul_scalar_mx -(scalemxAl b' A). Qed.

Lemma momentum_converges (v g : 'M_(D, c)) (step : 'M_(D, c) * 'M_(D, c) -> 'M_(D, c) * 'M_(D, c)) :
  (exists z, v - g = Phi^T *m z) ->
  (forall w w', (step (w, w')).1 - g
    = (w - g + b *: (w - g)) - (A *m (w - g) + b' *: (A *m (w - g))) - (b *: (w' - g) - b' *: (A *m (w' - g)))
    /\ (step (w, w')).2 = w) ->
  exists2 q, 0 <= q < 1 & exists K, forall T, sqnorm ((iter T step (v, v)).1 - g) <= q ^+ T * K.
Proof.
move=> inside stepE; have [q q_01 shrink] := momentum_shrinks; have [K rate] := shrink _ _ inside inside.
exists q => //; exists K => T.
suff [-> _] : (iter T step (v, v)).1 - g = (two_steps P B T (v - g, v - g)).1 /\
  (iter T step (v, v)).2 - g = (two_steps P B T (v - g, v - g)).2 by [].
elim: T => [|T [IH1 IH2]] //; rewrite /two_steps !iterS -/(two_steps P B T _) /=.
case: (iter T step (v, v)) IH1 IH2 => w w' /= IH1 IH2; have [-> ->] := stepE w w'.
by rewrite -PE -BE IH1 IH2.
Qed.

End Momentum.

(* remains of momentum/limit: that they come to rest: for momentum 0 <= b < 1 and a step 0 < eta < 2 (1 +
   b)/lambda_max, Nesterov's method for 0 < eta < 2 (1 + b)/((1 + 2 b) lambda_max), where ||Phi u||^2 <=
   lambda_max ||u||^2 for every u *)
Theorem momentum_comes_to_rest : forall (R : archiFieldType) (n D c : nat),
  forall (Phi : 'M[R]_(n, D)) (t : 'M[R]_(n, c)) (v : 'M[R]_(D, c)),
  forall (Phi_pinv : 'M[R]_(D, n)), is_pinv Phi Phi_pinv ->
  forall (g : 'M[R]_(D, c)), g = v + Phi_pinv *m (t - Phi *m v) ->
  forall (L : R), 0 <= L -> at_most Phi L ->
  forall (eta b : R), 0 < eta -> 0 <= b < 1 ->
  (eta * L < 2%:R * (1 + b) -> tends_to (fun T => (iter T (heavy_ball_step Phi t eta b) (v, v)).1) g) /\
  (eta * L * (1 + 2%:R * b) < 2%:R * (1 + b) ->
    tends_to (fun T => (iter T (nesterov_step Phi t eta b) (v, v)).1) g).
Proof.
move=> R n D c Phi t v Phi_pinv pinv g eg L L_ge0 most eta b eta_gt0 /andP[b_ge0 b_lt1].
have inside := start_inside pinv eg; have rest := no_gradient pinv eg.
have twice (x : R) : 2%:R * x = x + x by rewrite mulr_natl mulr2n.
have apart (w w' : 'M_(D, c)) : w - w' = (w - g) - (w' - g) by rewrite opprB addrA subrK.
split; rewrite ?twice => small.
- have [] := @momentum_converges R n D c Phi L most eta b eta_gt0 0 (lexx 0) b_lt1 _ v g (heavy_ball_step Phi t eta b) inside.
  + by rewrite addr0 addr0 mulr1.
  + move=> w w'; split=> //; rewrite /heavy_ball_step /=.
    have -> : gd_step Phi t eta w + b *: (w - w') - g = (gd_step Phi t eta w - g) + b *: (w - w') by rewrite addrAC.
    rewrite (@gradient _ _ _ _ _ _ eta _ _ rest) !scale0r addr0 subr0 (apart w w') scalerBr addrA.
    by congr (_ - _); rewrite addrAC.
  + by move=> q q_01 [K rate]; exact: geometric rate.
- have [] := @momentum_converges R n D c Phi L most eta b eta_gt0 b b_ge0 b_lt1 small v g (nesterov_step Phi t eta b) inside.
  + move=> w w'; split=> //; rewrite /nesterov_step /= (@gradient _ _ _ _ _ _ eta _ _ rest).
    have -> : w + b *: (w - w') - g = (w - g) + b *: ((w - g) - (w' - g)) by rewrite -apart addrAC.
    move: (w - g) (w' - g) => x y; rewrite mulmxDr -scalemxAr mulmxBr !scalerBr.
    move: (_ *m x) (_ *m y) => Ax Ay.
    by apply/matrixP=> i j; rewrite !mxE; exact: nesterov_error.
  + by move=> q q_01 [K rate]; exact: geometric rate.
Qed.
